//! SQL of the table `cart.merged_guests`: guests whose carts were merged.

use sqlx::PgExecutor;
use uuid::Uuid;

/// Deletes the cart of a guest with its lines, and records that it was merged into that of a user.
pub(crate) async fn replace(
    db: impl PgExecutor<'_>,
    cart_id: Uuid,
    guest_id: Uuid,
    user_id: Uuid,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with merged as (
             insert into cart.merged_guests (guest_id, user_id) values ($2, $3) on conflict (guest_id) do nothing
         )
         delete from cart.carts where id = $1",
        cart_id,
        guest_id,
        user_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes at most `limit` rows older than `days`, and returns their number.
pub(crate) async fn delete_old(db: impl PgExecutor<'_>, days: i32, limit: i64) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        "delete from cart.merged_guests
         where guest_id = any (array (
             select guest_id from cart.merged_guests
             where merged_at < now() - make_interval(days => $1)
             order by merged_at
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
