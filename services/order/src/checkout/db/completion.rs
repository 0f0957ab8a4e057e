//! The end of an attempt. Each of these compares and sets: of any number of drivers, one ends it.

use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use crate::{
    bounds::INLINE_GRACE,
    order::{Attempt, Priced},
    rejection::Rejection,
};

/// Makes an attempt an order, whose cart is to be cleared. False when somebody else has ended it.
pub(crate) async fn place(db: &PgPool, attempt: &Attempt, priced: &Priced) -> sqlx::Result<bool> {
    let product_ids: Vec<_> = attempt.lines.iter().map(|line| line.product_id).collect();
    let names: Vec<_> = priced.prices.iter().map(|price| price.name.clone()).collect();
    let prices: Vec<_> = priced.prices.iter().map(|price| price.price_minor).collect();
    sqlx::query_scalar!(
        r#"with placed as (
               update orders.orders
               set status = 'pending', total_minor = $2, currency = $3, lease_until = null, recover_at = null,
                   placed_at = now(), updated_at = now()
               where id = $1 and status = 'placing'
               returning id, user_id
           ), items as (
               update orders.order_items i
               set name = line.name, price_minor = line.price
               from placed, unnest($4::integer[], $5::text[], $6::bigint[]) as line (product_id, name, price)
               where i.order_id = placed.id and i.product_id = line.product_id
           ), event as (
               insert into orders.order_events (order_id, status, actor, created_at)
               select id, 'pending', user_id, now() from placed
           ), delivery as (
               insert into orders.outbox (order_id, kind, next_attempt_at)
               select id, 'clear_cart', now() + make_interval(secs => $7) from placed
           )
           select exists (select from placed) as "placed!""#,
        attempt.id,
        priced.total_minor,
        priced.currency,
        &product_ids,
        &names,
        &prices,
        INLINE_GRACE.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}

/// What [`reject`] left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Rejected {
    /// Nothing: no stock can have been taken.
    Done,
    /// Its stock is to be released.
    ToRelease,
    /// Somebody else has ended the attempt.
    Lost,
}

/// Ends an attempt without an order.
///
/// Its stock is released too, unless the catalog said that it has `nothing_reserved` to the only one who ever asked
/// for it: an attempt that was taken over may have another call for its stock under way, or answered.
pub(crate) async fn reject(
    db: &PgPool,
    id: Uuid,
    rejection: &Rejection,
    nothing_reserved: bool,
) -> sqlx::Result<Rejected> {
    sqlx::query_scalar!(
        r#"with rejected as (
               update orders.orders
               set status = 'rejected', rejection = $2, lease_until = null, recover_at = null, updated_at = now()
               where id = $1 and status = 'placing'
               returning id, attempts
           ), delivery as (
               insert into orders.outbox (order_id, kind, next_attempt_at)
               select id, 'release_stock', now() + make_interval(secs => $4)
               from rejected where not ($3 and attempts = 0)
               returning order_id
           )
           select case
               when not exists (select from rejected) then 'lost'
               when exists (select from delivery) then 'to_release'
               else 'done'
           end as "outcome!: Rejected""#,
        id,
        Json(rejection) as _,
        nothing_reserved,
        INLINE_GRACE.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}
