//! Moves of an order along its states.

use sqlx::PgPool;
use uuid::Uuid;

use crate::{outbox::INLINE_GRACE, status::OrderStatus};

/// Moves an order to `to` if it may come there from where it is, with all that belongs to the move: its event, its
/// payment, and that its stock is to be released. False when there is no such order of `owner` (`None`: anybody's) in
/// such a state.
pub(crate) async fn go(
    db: &PgPool,
    id: Uuid,
    owner: Option<Uuid>,
    to: OrderStatus,
    actor: Uuid,
) -> sqlx::Result<bool> {
    let sources: Vec<_> = to.sources().map(|from| from.as_str().to_owned()).collect();
    // The clock, not the transaction's time: that of a move which waited for another would lie before the other's.
    sqlx::query_scalar!(
        r#"with moved as (
               update orders.orders
               set status = $4, updated_at = greatest(clock_timestamp(), updated_at)
               where id = $1 and ($2::uuid is null or user_id = $2) and status = any($3)
               returning id, status, total_minor, currency, updated_at
           ), event as (
               insert into orders.order_events (order_id, status, actor, at)
               select id, status, $5, updated_at from moved
           ), paid as (
               insert into orders.payments (order_id, provider, status, amount_minor, currency)
               select id, 'offline', 'completed', total_minor, currency from moved where status = 'paid'
           ), refunded as (
               update orders.payments p set status = 'refunded', updated_at = now()
               from moved where p.order_id = moved.id and moved.status = 'cancelled' and p.status = 'completed'
           ), delivery as (
               insert into orders.outbox (order_id, kind, next_attempt_at)
               select id, 'release_stock', now() + make_interval(secs => $6) from moved where status = 'cancelled'
           )
           select exists (select from moved) as "moved!""#,
        id,
        owner,
        &sources,
        to.as_str(),
        actor,
        INLINE_GRACE.as_secs_f64(),
    )
    .fetch_one(db)
    .await
}

/// Where an order of `owner` (`None`: anybody's) stands.
pub(crate) async fn status(db: &PgPool, id: Uuid, owner: Option<Uuid>) -> sqlx::Result<Option<OrderStatus>> {
    sqlx::query_scalar!(
        r#"select status as "status: OrderStatus" from orders.orders
           where id = $1 and ($2::uuid is null or user_id = $2) and placed_at is not null"#,
        id,
        owner,
    )
    .fetch_optional(db)
    .await
}
