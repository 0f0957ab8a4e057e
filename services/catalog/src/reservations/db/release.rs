//! Adding stock back: of whole orders, and of returned units.

use bodega_runtime::database::Pool;
use uuid::Uuid;

use crate::{changes::StockChange, reservations::Quantities};

/// Adds the stock of an order back, archived products included, and marks its reservation as released. Units that were returned
/// before are not added again. An order without a reservation gets a row that is marked as released.
///
/// Returns the changes of the stock, or `None` if the order was reserved at the same time: then nothing has changed, and a
/// retry releases it. The lines of such an order are not among those that the statement has read, so its reservation must
/// not be marked.
pub(in crate::reservations) async fn release(
    db: &Pool,
    order_id: Uuid,
) -> sqlx::Result<Option<Vec<StockChange>>> {
    let rows = sqlx::query!(
        r#"with locked as materialized (
               select p.id, line.quantity - line.returned as quantity
               from catalog.products p
               join catalog.reservation_lines line on line.product_id = p.id
               where line.order_id = $1
               order by p.id
               for no key update of p, line
           ), released as (
               insert into catalog.reservations as r (order_id, status, released_at)
               select $1, 'released', now() from (select count(*) from locked) as after_locks
               on conflict (order_id) do update set status = 'released', released_at = now()
               where r.status = 'reserved' and exists (select from locked)
               returning r.order_id
           ), restored as (
               update catalog.products p
               set stock = p.stock + locked.quantity, version = p.version + 1
               from locked, released
               where p.id = locked.id and locked.quantity > 0
               returning p.id, p.version, p.details_version, p.stock, p.is_sold is null as is_only_variant, locked.quantity
           ), movements as (
               insert into catalog.stock_movements (product_id, delta, reason, order_id)
               select id, quantity, 'released', $1 from restored
           )
           select is_released as "is_released!", id as "id?", version as "version?", details_version as "details_version?",
                  stock as "stock?", quantity as "quantity?", is_only_variant as "is_only_variant?"
           from (
               select exists (select from released)
                   or exists (select from catalog.reservations where order_id = $1 and status = 'released') as is_released
           ) as result
           left join restored on true"#,
        order_id,
    )
    .fetch_all(db)
    .await?;
    if !rows.iter().all(|row| row.is_released) {
        return Ok(None);
    }
    let changes = rows.into_iter().filter_map(|row| {
        Some(StockChange {
            product_id: row.id?,
            version: row.version?,
            details_version: row.details_version?,
            stock: row.stock?,
            delta: row.quantity?,
            is_only_variant: row.is_only_variant?,
        })
    });
    Ok(Some(changes.collect()))
}

/// Records that units of an order were returned, archived products included, and adds them back to the stock if `restock` is
/// true. Does nothing if the return is recorded already, or the order's stock was released.
pub(in crate::reservations) async fn return_units(
    db: &Pool,
    return_id: Uuid,
    order_id: Uuid,
    quantities: &Quantities,
    restock: bool,
) -> sqlx::Result<Vec<StockChange>> {
    let product_ids: Vec<_> = quantities.keys().copied().collect();
    let quantities: Vec<_> = quantities.values().copied().collect();
    let rows = sqlx::query!(
        r#"with locked as materialized (
               select p.id, requested.quantity
               from catalog.products p
               join catalog.reservation_lines line on line.product_id = p.id
               join unnest($3::integer[], $4::integer[]) as requested (product_id, quantity)
                    on requested.product_id = p.id
               where line.order_id = $2
               order by p.id
               for no key update of p, line
           ), reservation as materialized (
               select order_id from catalog.reservations
               where order_id = $2 and status = 'reserved' and (select count(*) from locked) > 0
               for no key update
           ), recorded as (
               insert into catalog.returns (return_id, order_id, product_id, quantity, is_restocked)
               select $1, order_id, locked.id, locked.quantity, $5 from locked, reservation
               on conflict (return_id, product_id) do nothing
               returning product_id, quantity
           ), counted as (
               update catalog.reservation_lines line
               set returned = line.returned + recorded.quantity
               from recorded
               where line.order_id = $2 and line.product_id = recorded.product_id
           ), restocked as (
               update catalog.products p
               set stock = p.stock + recorded.quantity, version = p.version + 1
               from recorded
               where p.id = recorded.product_id and $5
               returning p.id, p.version, p.details_version, p.stock, p.is_sold is null as is_only_variant, recorded.quantity
           ), movements as (
               insert into catalog.stock_movements (product_id, delta, reason)
               select id, quantity, 'returned' from restocked
           )
           select id as "id!", version as "version!", details_version as "details_version!", stock as "stock!",
                  quantity as "quantity!", is_only_variant as "is_only_variant!"
           from restocked"#,
        return_id,
        order_id,
        &product_ids,
        &quantities,
        restock,
    )
    .fetch_all(db)
    .await?;
    let changes = rows.into_iter().map(|row| StockChange {
        product_id: row.id,
        version: row.version,
        details_version: row.details_version,
        stock: row.stock,
        delta: row.quantity,
        is_only_variant: row.is_only_variant,
    });
    Ok(changes.collect())
}
