//! Ends checkouts without an order. The statement is a compare-and-set: of any number of processes, only one ends a checkout.

use bodega_runtime::{database::Pool, timeouts::INLINE_GRACE};
use sqlx::types::Json;
use uuid::Uuid;

use crate::checkout::rejection::Rejection;

/// The result of [`reject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Rejected {
    /// No stock can have been reserved.
    NothingToRelease,
    /// Its stock must be released: the delivery is stored.
    ReleaseStock,
    /// Another process has ended the checkout.
    AlreadyEnded,
}

/// Ends a checkout without an order.
///
/// Stores a delivery that releases the checkout's stock, unless `nothing_reserved` is true and the checkout was never claimed
/// again: another process that has claimed it may be reserving the stock.
pub(crate) async fn reject(
    db: &Pool,
    id: Uuid,
    rejection: &Rejection,
    nothing_reserved: bool,
) -> sqlx::Result<Rejected> {
    sqlx::query_scalar!(
        r#"with rejected as (
               update orders.orders
               set status = 'rejected', rejection = $2, lease_until = null, recover_at = null, updated_at = now()
               where id = $1 and status = 'placing'
               returning id, attempts, traceparent
           ), delivery as (
               insert into orders.outbox (order_id, kind, next_attempt_at, traceparent)
               select id, 'release_stock', now() + make_interval(secs => $4), traceparent
               from rejected where not ($3 and attempts = 0)
               returning order_id
           )
           select case
               when not exists (select from rejected) then 'already_ended'
               when exists (select from delivery) then 'release_stock'
               else 'nothing_to_release'
           end as "rejected!: Rejected""#,
        id,
        Json(rejection) as _,
        nothing_reserved,
        INLINE_GRACE.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}
