//! SQL of the work that payments require: polls, and the end of the time in which an order is to be paid.

use std::time::Duration;

use bodega_runtime::{database::Pool, timeouts::PAYMENT_POLL_LEASE};
use uuid::Uuid;

use crate::backoff::CLAIM_LIMIT;

/// An order that was not paid in time.
pub(crate) struct ExpiredOrder {
    pub id: Uuid,
    pub total_minor: i64,
    pub traceparent: Option<String>,
}

/// A payment to poll, and the trace of the call that started it.
pub(crate) struct ClaimedPayment {
    pub order_id: Uuid,
    pub payment_id: Uuid,
    pub traceparent: Option<String>,
}

/// Claims payments of these providers that are due to be polled, the oldest first.
pub(crate) async fn claim(db: &Pool, providers: &[String]) -> sqlx::Result<Vec<ClaimedPayment>> {
    sqlx::query_as!(
        ClaimedPayment,
        r#"with due as (
               select id from orders.payments
               where next_poll_at <= now() and provider = any($1)
               order by next_poll_at limit $2
               for update skip locked
           )
           update orders.payments p set next_poll_at = now() + make_interval(secs => $3)
           from due where p.id = due.id
           returning p.order_id, p.id as payment_id, p.traceparent"#,
        providers,
        CLAIM_LIMIT,
        PAYMENT_POLL_LEASE.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Returns the oldest orders that were to be paid within `window` and were not, except for those of which a payment of
/// `providers` is to be polled, or a person has to decide. `free_window` is that of orders with a total of zero.
pub(crate) async fn find_expired(
    db: &Pool,
    window: Option<Duration>,
    free_window: Option<Duration>,
    providers: &[String],
) -> sqlx::Result<Vec<ExpiredOrder>> {
    let seconds = |window: Option<Duration>| window.map(|window| window.as_secs_f64());
    sqlx::query_as!(
        ExpiredOrder,
        r#"select o.id, o.total_minor as "total_minor!", o.traceparent
           from orders.orders o
           where o.status = 'pending'
             and o.placed_at <= now() - make_interval(secs => least($1::float8, $2::float8))
             and o.placed_at <= now() - make_interval(secs => case when o.total_minor = 0 then $2 else $1 end)
             and not exists (
                 select from orders.payments p
                 where p.order_id = o.id and p.next_poll_at is not null and p.provider = any($3)
                   and p.status in ('requires_payment', 'processing', 'failed')
             )
             and not exists (
                 select from orders.payment_reviews r where r.order_id = o.id and r.resolved_at is null
             )
           order by o.placed_at limit $4"#,
        seconds(window),
        seconds(free_window),
        providers,
        CLAIM_LIMIT,
    )
    .fetch_all(db)
    .await
}
