//! `orders.events` and `orders.event_publisher`.

use std::time::Duration;

use bodega_events::Event;
use bodega_runtime::{database::Pool, timeouts::EVENT_LEASE};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::payload::{Data, Item, Kind, Payment};

/// Events that are published together.
pub(super) const BATCH: usize = 256;
/// Events that are deleted by a statement.
const DELETED: i64 = 1_000;

/// An event with the parts of its order that its payload needs.
pub(super) struct Row {
    pub(super) position: i64,
    id: Uuid,
    kind: Kind,
    occurred_at: OffsetDateTime,
    order_id: Uuid,
    user_id: Option<Uuid>,
    total_minor: i64,
    currency: String,
    items: Option<Json<Vec<Item>>>,
    payment: Option<Json<Payment>>,
    /// Of the call that placed the order.
    traceparent: Option<String>,
}

impl Row {
    pub(super) fn into_event(self) -> Event {
        let data = Data {
            order_id: self.order_id,
            user_id: self.user_id,
            total_minor: self.total_minor,
            currency: self.currency,
            items: self.items.map(|items| items.0),
            payment: self.payment.map(|payment| payment.0),
        };
        Event {
            id: self.id.to_string(),
            source: "order",
            kind: self.kind.name(),
            version: 1,
            aggregate: self.order_id.to_string(),
            sequence: self.position,
            time: self.occurred_at,
            traceparent: self.traceparent,
            data: data.into_json(),
        }
    }
}

/// Returns the oldest events that are not published, if `holder` has the lease of the publisher or gets it.
pub(super) async fn claim(db: &Pool, holder: Uuid) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"with lease as (
               update orders.event_publisher
               set holder = $1, lease_until = now() + make_interval(secs => $2)
               where is_single and (holder = $1 or lease_until <= now())
                 and exists (select from orders.events where published_at is null)
               returning is_single
           )
           select e.position, e.id, e.kind as "kind: Kind", e.occurred_at, e.order_id,
                  nullif(o.user_id, o.guest_id) as "user_id?",
                  o.total_minor as "total_minor!", o.currency as "currency!",
                  case when e.kind = 'placed' then (
                      select json_agg(json_build_object(
                          'product_id', i.product_id, 'name', i.name, 'price_minor', i.price_minor, 'quantity', i.quantity
                      ) order by i.product_id)
                      from orders.order_items i where i.order_id = e.order_id
                  ) end as "items: Json<Vec<Item>>",
                  (
                      select json_build_object(
                          'id', p.id, 'provider', p.provider, 'amount_minor', p.amount_minor, 'currency', p.currency
                      )
                      from orders.payments p where p.id = e.payment_id
                  ) as "payment: Json<Payment>",
                  o.traceparent
           from lease
           cross join lateral (
               select position, id, kind, occurred_at, order_id, payment_id from orders.events
               where published_at is null
               order by position limit $3
           ) as e
           join orders.orders o on o.id = e.order_id
           order by e.position"#,
        holder,
        EVENT_LEASE.as_secs_f64(),
        BATCH as i64,
    )
    .fetch_all(db)
    .await
}

/// Records that events are published.
pub(super) async fn complete(db: &Pool, positions: &[i64]) -> sqlx::Result<()> {
    sqlx::query!("update orders.events set published_at = now() where position = any($1)", positions)
        .execute(db)
        .await?;
    Ok(())
}

/// Returns when the first event happened that is not published.
pub(super) async fn oldest(db: &Pool) -> sqlx::Result<Option<OffsetDateTime>> {
    sqlx::query_scalar!(
        "select occurred_at from orders.events where published_at is null order by position limit 1"
    )
    .fetch_optional(db)
    .await
}

/// Deletes some events that are older than `age`. Returns whether there may be more. Those that are not published are kept
/// if a replica has published within that time.
pub(super) async fn delete_old(db: &Pool, age: Duration) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "with first as materialized (
             select position, occurred_at, published_at from orders.events order by position limit $1
         )
         delete from orders.events
         where position in (
             select position from first
             where occurred_at < now() - make_interval(secs => $2)
               and (published_at is not null or not exists (
                   select from orders.event_publisher
                   where is_single and lease_until > now() - make_interval(secs => $2)
               ))
         )",
        DELETED,
        age.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(i64::try_from(done.rows_affected()).is_ok_and(|deleted| deleted == DELETED))
}
