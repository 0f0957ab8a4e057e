//! SQL of the table `cart.checkouts`: orders whose lines have been removed from a cart.

use sqlx::PgExecutor;
use uuid::Uuid;

/// Inserts an order; returns `false` if it exists. Waits for a concurrent transaction that inserts the same order.
pub(crate) async fn insert(db: impl PgExecutor<'_>, order_id: Uuid, user_id: Uuid) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        "insert into cart.checkouts (order_id, user_id)
         values ($1, $2)
         on conflict (order_id) do nothing",
        order_id,
        user_id,
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Deletes at most `limit` rows older than `days`, and returns their number.
pub(crate) async fn delete_old(db: impl PgExecutor<'_>, days: i32, limit: i64) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        "delete from cart.checkouts
         where order_id = any (array (
             select order_id from cart.checkouts
             where cleared_at < now() - make_interval(days => $1)
             order by cleared_at
             limit $2
             for update skip locked
         ))",
        days,
        limit,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
