//! SQL of the work that refunds of parts require.

use bodega_runtime::{database::Pool, timeouts::PAYMENT_POLL_LEASE};
use uuid::Uuid;

use crate::backoff::CLAIM_LIMIT;

/// A refund that is due, and the trace of the call that requested it.
pub(crate) struct ClaimedRefund {
    pub order_id: Uuid,
    pub payment_id: Uuid,
    pub refund_id: Uuid,
    pub traceparent: Option<String>,
}

/// Claims refunds that are due, the oldest first: those whose provider is one of these, or which need none any more.
pub(crate) async fn claim(db: &Pool, providers: &[String]) -> sqlx::Result<Vec<ClaimedRefund>> {
    sqlx::query_as!(
        ClaimedRefund,
        r#"with due as (
               select r.id from orders.refunds r
               where r.next_attempt_at <= now()
                 and (r.status <> 'pending' or exists (
                     select from orders.payments p where p.id = r.payment_id and p.provider = any($1)
                 ))
               order by r.next_attempt_at limit $2
               for update of r skip locked
           )
           update orders.refunds r set next_attempt_at = now() + make_interval(secs => $3)
           from due where r.id = due.id
           returning r.order_id, r.payment_id, r.id as refund_id, r.traceparent"#,
        providers,
        CLAIM_LIMIT,
        PAYMENT_POLL_LEASE.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// The units that a refund returns.
pub(crate) struct ReturnedUnits {
    pub restock: bool,
    pub product_ids: Vec<i32>,
    pub quantities: Vec<i32>,
}

/// Returns the units of an accepted refund of which the catalog was not notified; `None` if there are none.
pub(crate) async fn units_to_return(db: &Pool, refund_id: Uuid) -> sqlx::Result<Option<ReturnedUnits>> {
    sqlx::query_as!(
        ReturnedUnits,
        r#"select r.restock, array_agg(l.product_id order by l.product_id) as "product_ids!",
                  array_agg(l.quantity order by l.product_id) as "quantities!"
           from orders.refunds r
           join orders.refund_lines l on l.refund_id = r.id
           where r.id = $1 and r.accepted_at is not null and r.stock_returned_at is null and l.quantity > 0
           group by r.id"#,
        refund_id,
    )
    .fetch_optional(db)
    .await
}

/// Records that the catalog was notified of the units of a refund.
pub(crate) async fn complete_return(db: &Pool, refund_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.refunds
         set stock_returned_at = now(), next_attempt_at = case when status = 'pending' then next_attempt_at end
         where id = $1 and stock_returned_at is null",
        refund_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends the schedule of a refund that has nothing left to do. A change that was concurrent to the return of its units may have
/// scheduled it once more.
pub(crate) async fn unschedule(db: &Pool, refund_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.refunds r set next_attempt_at = null
         where r.id = $1 and r.status <> 'pending'
           and (r.accepted_at is null or r.stock_returned_at is not null or not exists (
               select from orders.refund_lines l where l.refund_id = r.id and l.quantity > 0
           ))",
        refund_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
