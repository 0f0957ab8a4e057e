//! SQL of the samples. Each part reads an index, in the order in which the workers do, and at most [`LIMIT`] rows of it.

use bodega_runtime::database::Pool;

use crate::payments::payment::PaymentStatus;

/// Rows that a sample reads of each kind.
const LIMIT: i64 = 10_000;

/// Deliveries, checkouts, events, payments and refunds that wait: numbers, and ages of the oldest ones in seconds; 0 if there are none.
pub(super) struct Backlog {
    pub clear_cart_due: i64,
    pub release_stock_due: i64,
    pub outbox_oldest: f64,
    pub outbox_rejected: i64,
    pub placing_oldest: f64,
    pub events_oldest: f64,
    pub refunds_oldest: f64,
    pub payments_of_pending_orders_oldest: f64,
    pub reviews: i64,
    pub reviews_oldest: f64,
}

pub(super) async fn backlog(db: &Pool) -> sqlx::Result<Backlog> {
    sqlx::query_as!(
        Backlog,
        r#"with outbox as (
               select kind, created_at, next_attempt_at <= now() as is_due
               from orders.outbox where rejection is null
               order by next_attempt_at limit $1
           ), rejected as (
               select from orders.outbox where rejection is not null limit $1
           ), checkouts as (
               select created_at from orders.orders where status = 'placing' order by recover_at limit $1
           ), events as (
               select received_at from orders.provider_events
               where next_attempt_at is not null
               order by next_attempt_at limit $1
           ), polled as (
               select id, order_id, status, created_at
               from orders.payments where next_poll_at is not null
               order by next_poll_at limit $1
           ), refunds as (
               select e.created_at
               from polled p
               join orders.order_events e on e.payment_id = p.id and e.payment_status = 'refund_pending'
               where p.status = 'refund_pending'
           ), unpaid as (
               select p.created_at
               from polled p join orders.orders o on o.id = p.order_id
               where p.status in ('requires_payment', 'processing') and o.status = 'pending'
           ), reviews as (
               select created_at from orders.payment_reviews where resolved_at is null limit $1
           )
           select (select count(*) from outbox where is_due and kind = 'clear_cart') as "clear_cart_due!",
                  (select count(*) from outbox where is_due and kind = 'release_stock') as "release_stock_due!",
                  (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from outbox)
                      as "outbox_oldest!",
                  (select count(*) from rejected) as "outbox_rejected!",
                  (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from checkouts)
                      as "placing_oldest!",
                  (select coalesce(extract(epoch from now() - min(received_at)), 0)::float8 from events)
                      as "events_oldest!",
                  (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from refunds)
                      as "refunds_oldest!",
                  (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from unpaid)
                      as "payments_of_pending_orders_oldest!",
                  (select count(*) from reviews) as "reviews!",
                  (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from reviews)
                      as "reviews_oldest!""#,
        LIMIT,
    )
    .fetch_one(db)
    .await
}

/// Payments in one status whose provider is polled.
pub(super) struct Unsettled {
    pub status: PaymentStatus,
    pub count: i64,
    /// Age of the oldest one in seconds.
    pub oldest: f64,
}

pub(super) async fn unsettled(db: &Pool) -> sqlx::Result<Vec<Unsettled>> {
    sqlx::query_as!(
        Unsettled,
        r#"select status as "status: PaymentStatus", count(*) as "count!",
                  extract(epoch from now() - min(created_at))::float8 as "oldest!"
           from (
               select status, created_at from orders.payments
               where next_poll_at is not null
               order by next_poll_at limit $1
           ) as polled
           group by status"#,
        LIMIT,
    )
    .fetch_all(db)
    .await
}
