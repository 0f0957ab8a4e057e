//! Stock and its ledger, `catalog.stock_movements`: both change in one statement, or in one transaction.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::reserve::{Goods, Quantities};

/// Records that the stock of a product was set to another amount.
pub(crate) async fn record_adjustment(
    db: impl PgExecutor<'_>,
    product_id: i32,
    delta: i32,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into catalog.stock_movements (product_id, delta, reason) values ($1, $2, 'adjusted')",
        product_id,
        delta,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks products, in the order of their ids; the unknown are left out.
pub(crate) async fn lock(db: &mut PgConnection, product_ids: &[i32]) -> sqlx::Result<Vec<Goods>> {
    sqlx::query_as!(
        Goods,
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

/// Takes these quantities from locked products for an order, and keeps its lines.
pub(crate) async fn take(db: &mut PgConnection, order_id: Uuid, quantities: &Quantities) -> sqlx::Result<()> {
    let (product_ids, quantities): (Vec<_>, Vec<_>) = quantities.iter().unzip();
    sqlx::query!(
        "with taken as (
             update catalog.products p
             set stock = p.stock - line.quantity, version = p.version + 1
             from unnest($2::integer[], $3::integer[]) as line (product_id, quantity)
             where p.id = line.product_id
             returning p.id, line.quantity, p.name, p.price_minor, p.currency
         ), kept as (
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

/// Gives the stock of an order back, to archived products too.
pub(crate) async fn give_back(db: &mut PgConnection, order_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "with locked as (
             select p.id, line.quantity
             from catalog.products p
             join catalog.reservation_lines line on line.product_id = p.id
             where line.order_id = $1
             order by p.id
             for no key update of p
         ), given as (
             update catalog.products p
             set stock = p.stock + locked.quantity, version = p.version + 1
             from locked
             where p.id = locked.id
             returning p.id, locked.quantity
         )
         insert into catalog.stock_movements (product_id, delta, reason, order_id)
         select id, quantity, 'released', $1 from given",
        order_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
