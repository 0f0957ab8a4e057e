//! `catalog.reservations`, `catalog.reservation_lines`, and the stock of products with its ledger
//! `catalog.stock_movements`. A product's stock and its ledger change in the same statement.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::quantities::Quantities;

/// A reserved product, with name and price at the time of the reservation.
#[derive(Debug)]
pub(crate) struct ReservedLine {
    pub(crate) product_id: i32,
    pub(crate) name: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) quantity: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ReservationStatus {
    Reserved,
    /// The stock was added back, or never reserved.
    Released,
}

impl ReservationStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
        }
    }
}

/// Inserts a row for an order. Returns `false` if the order already has one. Waits for concurrent transactions that
/// insert the same row.
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

/// Returns the status of an order that has a row.
pub(crate) async fn status(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<ReservationStatus> {
    sqlx::query_scalar!(
        r#"select status as "status: ReservationStatus" from catalog.reservations where order_id = $1"#,
        order_id,
    )
    .fetch_one(db)
    .await
}

/// Returns the lines of an order, ordered by product id.
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

/// Changes the status from reserved to released. Returns `false` if the order was already released.
pub(crate) async fn set_released(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<bool> {
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

/// A product that is locked until the transaction ends.
#[derive(Clone, Debug)]
pub(crate) struct LockedProduct {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) stock: i32,
    pub(crate) archived: bool,
}

/// Locks products in the order of their ids. Unknown ids are ignored.
pub(crate) async fn lock_products(
    db: impl PgExecutor<'_>,
    product_ids: &[i32],
) -> sqlx::Result<Vec<LockedProduct>> {
    sqlx::query_as!(
        LockedProduct,
        r#"select id, name, price_minor, currency, stock, archived_at is not null as "archived!"
           from catalog.products
           where id = any($1)
           order by id
           for no key update"#,
        product_ids,
    )
    .fetch_all(db)
    .await
}

/// Takes quantities from the stock of locked products, and records them as the lines of an order.
pub(crate) async fn take_stock(
    db: impl PgExecutor<'_>,
    order_id: Uuid,
    quantities: &Quantities,
) -> sqlx::Result<()> {
    let (product_ids, quantities): (Vec<_>, Vec<_>) = quantities.iter().unzip();
    sqlx::query!(
        "with taken as (
             update catalog.products p
             set stock = p.stock - line.quantity, version = p.version + 1
             from unnest($2::integer[], $3::integer[]) as line (product_id, quantity)
             where p.id = line.product_id
             returning p.id, line.quantity, p.name, p.price_minor, p.currency
         ), lines as (
             insert into catalog.reservation_lines (order_id, product_id, quantity, name, price_minor, currency)
             select $1, id, quantity, name, price_minor, currency from taken
         )
         insert into catalog.stock_movements (product_id, delta, reason, order_id)
         select id, -quantity, 'reserved', $1 from taken",
        order_id,
        &product_ids,
        &quantities,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds the quantities of an order back to the stock of its products, archived ones included.
pub(crate) async fn restore_stock(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "with locked as (
             select p.id, line.quantity
             from catalog.products p
             join catalog.reservation_lines line on line.product_id = p.id
             where line.order_id = $1
             order by p.id
             for no key update of p
         ), restored as (
             update catalog.products p
             set stock = p.stock + locked.quantity, version = p.version + 1
             from locked
             where p.id = locked.id
             returning p.id, locked.quantity
         )
         insert into catalog.stock_movements (product_id, delta, reason, order_id)
         select id, quantity, 'released', $1 from restored",
        order_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
