//! `catalog.reservations` and `catalog.reservation_lines`: which orders have their stock.

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::reserve::{ReservationStatus, ReservedLine};

/// Begins a reservation, or leaves the mark of one that is never to be; `false` when the order has either already.
/// Waits for others who are about it.
pub(crate) async fn insert(
    db: impl PgExecutor<'_>,
    order_id: Uuid,
    status: ReservationStatus,
) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        "insert into catalog.reservations (order_id, status, released_at)
         values ($1, $2, case when $2 = 'released' then now() end)
         on conflict (order_id) do nothing",
        order_id,
        status.as_str(),
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Whether an order has its stock; it has a reservation or a mark.
pub(crate) async fn status(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<ReservationStatus> {
    sqlx::query_scalar!(
        r#"select status as "status: ReservationStatus" from catalog.reservations where order_id = $1"#,
        order_id,
    )
    .fetch_one(db)
    .await
}

/// The lines of an order, by product id.
pub(crate) async fn lines(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<Vec<ReservedLine>> {
    sqlx::query_as!(
        ReservedLine,
        "select product_id, name, price_minor, currency, quantity
         from catalog.reservation_lines
         where order_id = $1
         order by product_id",
        order_id,
    )
    .fetch_all(db)
    .await
}

/// Ends a reservation; `false` when it had ended already.
pub(crate) async fn release(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<bool> {
    let released = sqlx::query!(
        "update catalog.reservations
         set status = 'released', released_at = now()
         where order_id = $1 and status = 'reserved'",
        order_id,
    )
    .execute(db)
    .await?;
    Ok(released.rows_affected() == 1)
}
