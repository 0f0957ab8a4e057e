//! SQL of the outbox.

use std::time::Duration;

use bodega_runtime::{database::Pool, timeouts::WORK_LEASE};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{backoff::CLAIM_LIMIT, checkout::pricing::Line};

/// Age of a refund up to which the release of stock waits until the payment provider has accepted or rejected it.
const OPEN_REFUND_TIMEOUT: Duration = Duration::from_secs(60 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum DeliveryKind {
    /// To the cart: removes the lines of the order.
    ClearCart,
    /// To the catalog: releases the stock of the order.
    ReleaseStock,
}

impl DeliveryKind {
    /// Returns the name of the span of a delivery.
    pub(crate) fn span(self) -> &'static str {
        match self {
            Self::ClearCart => "deliver clear_cart",
            Self::ReleaseStock => "deliver release_stock",
        }
    }

    /// Returns the name of the kind in the database and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ClearCart => "clear_cart",
            Self::ReleaseStock => "release_stock",
        }
    }
}

/// A call to another service that is to be delivered.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub order_id: Uuid,
    pub kind: DeliveryKind,
    /// Number of times that the worker has claimed it.
    pub attempts: i32,
    /// The user or guest whose cart was ordered.
    pub cart_owner: Uuid,
    /// The lines of the order.
    pub lines: Json<Vec<Line>>,
    /// Refunds of the order whose returned units the catalog does not know yet: it must know them before it releases the rest. Also
    /// those that the payment provider has neither accepted nor rejected so far.
    pub refunds: Vec<Uuid>,
    pub traceparent: Option<String>,
}

/// Returns all pending deliveries of an order, including those that the worker has claimed.
pub(crate) async fn find_pending(db: &Pool, order_id: Uuid) -> sqlx::Result<Vec<Delivery>> {
    sqlx::query_as!(
        Delivery,
        r#"select d.order_id, d.kind as "kind: DeliveryKind", d.attempts, d.traceparent,
                  coalesce(o.guest_id, o.user_id) as "cart_owner!",
                  (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                      as "lines!: Json<Vec<Line>>",
                  array(
                      select r.id from orders.refunds r
                      where r.order_id = d.order_id and r.stock_returned_at is null
                        and (r.accepted_at is not null
                            or r.status = 'pending' and r.created_at > now() - make_interval(secs => $2))
                        and exists (select from orders.refund_lines l where l.refund_id = r.id and l.quantity > 0)
                      order by r.id
                  ) as "refunds!"
           from orders.outbox d
           join orders.orders o on o.id = d.order_id
           where d.order_id = $1 and d.rejection is null"#,
        order_id,
        OPEN_REFUND_TIMEOUT.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Claims deliveries that are due, the oldest first.
pub(crate) async fn claim(db: &Pool) -> sqlx::Result<Vec<Delivery>> {
    sqlx::query_as!(
        Delivery,
        r#"with due as (
               select order_id, kind from orders.outbox
               where next_attempt_at <= now() and rejection is null
               order by next_attempt_at limit $1
               for update skip locked
           )
           update orders.outbox d
           set attempts = d.attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
           from due, orders.orders o
           where d.order_id = due.order_id and d.kind = due.kind and o.id = d.order_id
           returning d.order_id, d.kind as "kind: DeliveryKind", d.attempts, d.traceparent,
                  coalesce(o.guest_id, o.user_id) as "cart_owner!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>",
                     array(
                         select r.id from orders.refunds r
                         where r.order_id = d.order_id and r.stock_returned_at is null
                           and (r.accepted_at is not null
                               or r.status = 'pending' and r.created_at > now() - make_interval(secs => $3))
                           and exists (select from orders.refund_lines l where l.refund_id = r.id and l.quantity > 0)
                         order by r.id
                     ) as "refunds!""#,
        CLAIM_LIMIT,
        WORK_LEASE.as_secs_f64(),
        OPEN_REFUND_TIMEOUT.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Deletes a delivery that has succeeded.
pub(crate) async fn delete(db: &Pool, order_id: Uuid, kind: DeliveryKind) -> sqlx::Result<()> {
    sqlx::query!("delete from orders.outbox where order_id = $1 and kind = $2", order_id, kind.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Records that the service has rejected a delivery, which is then not retried.
pub(crate) async fn reject(
    db: &Pool,
    order_id: Uuid,
    kind: DeliveryKind,
    rejection: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.outbox set rejection = $3 where order_id = $1 and kind = $2",
        order_id,
        kind.as_str(),
        rejection,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes a delivery due after `pause`.
pub(crate) async fn postpone(
    db: &Pool,
    order_id: Uuid,
    kind: DeliveryKind,
    pause: Duration,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.outbox set next_attempt_at = now() + make_interval(secs => $3)
         where order_id = $1 and kind = $2",
        order_id,
        kind.as_str(),
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
