//! SQL of shipments.

use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::ShipmentRequest;
use crate::orders::status::OrderStatus;

/// A line of an order, and the number of its units that are left to ship.
#[derive(Debug)]
pub(crate) struct UnshippedLine {
    pub product_id: i32,
    pub left: i32,
}

/// A shipment of an admin.
#[derive(Debug)]
pub(super) struct NewShipment<'a> {
    pub id: Uuid,
    pub request: &'a ShipmentRequest,
    /// Product ids and quantities.
    pub units: &'a [(i32, i32)],
    /// Whether no other units are left to ship.
    pub is_last: bool,
    /// Empty for none.
    pub idempotency_key: &'a str,
    pub created_by: Uuid,
}

/// Locks an order until the transaction ends, and returns its status.
pub(super) async fn lock_order(db: &mut PgConnection, order_id: Uuid) -> sqlx::Result<Option<OrderStatus>> {
    sqlx::query_scalar!(
        r#"select status as "status: OrderStatus" from orders.orders
           where id = $1 and placed_at is not null
           for no key update"#,
        order_id,
    )
    .fetch_optional(db)
    .await
}

/// Returns the shipment for which `created_by` has used an idempotency key, and its request.
pub(super) async fn find_by_key(
    db: &mut PgConnection,
    created_by: Uuid,
    key: &str,
) -> sqlx::Result<Option<(Uuid, ShipmentRequest)>> {
    let row = sqlx::query!(
        r#"select id, request as "request!: Json<ShipmentRequest>" from orders.shipments
           where created_by = $1 and idempotency_key = $2"#,
        created_by,
        key,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.id, row.request.0)))
}

/// Returns the lines of a locked order.
pub(super) async fn unshipped_lines(
    db: &mut PgConnection,
    order_id: Uuid,
) -> sqlx::Result<Vec<UnshippedLine>> {
    sqlx::query_as!(
        UnshippedLine,
        r#"select product_id, quantity - unshipped_quantity - shipped_quantity as "left!"
           from orders.order_items where order_id = $1 order by product_id"#,
        order_id,
    )
    .fetch_all(db)
    .await
}

/// Stores a shipment. The customer gets a mail about it; about the last one as a mail about the order.
pub(super) async fn insert(db: &mut PgConnection, shipment: &NewShipment<'_>) -> sqlx::Result<()> {
    let NewShipment { id, request, units, is_last, idempotency_key, created_by } = *shipment;
    let (product_ids, quantities): (Vec<i32>, Vec<i32>) = units.iter().copied().unzip();
    let key = Some(idempotency_key).filter(|key| !key.is_empty());
    sqlx::query!(
        "with line as materialized (
             select * from unnest($3::integer[], $4::integer[]) as line (product_id, quantity)
         ), shipment as (
             insert into orders.shipments (id, order_id, carrier, tracking_number, tracking_url, idempotency_key, request,
                                           created_by)
             values ($1, $2, $5, $6, $7, $8, $9, $10)
         ), lines as (
             insert into orders.shipment_lines (shipment_id, order_id, product_id, quantity)
             select $1, $2, product_id, quantity from line
         ), items as (
             update orders.order_items i
             set shipped_quantity = i.shipped_quantity + line.quantity
             from line
             where i.order_id = $2 and i.product_id = line.product_id
         ), shipped as (
             update orders.orders
             set has_shipments = true, updated_at = greatest(clock_timestamp(), updated_at)
             where id = $2
             returning nullif(user_id, guest_id) as user_id
         )
         insert into orders.mails (id, kind, dedupe_key, user_id, params)
         select gen_random_uuid(), 'shipment_sent', 'shipment_sent:' || $1::uuid, user_id,
                jsonb_build_object('order_id', $2::uuid, 'shipment_id', $1::uuid)
         from shipped where not $11",
        id,
        request.order_id,
        &product_ids,
        &quantities,
        request.carrier,
        request.tracking_number,
        request.tracking_url,
        key,
        key.map(|_| Json(request)) as _,
        created_by,
        is_last,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a shipment of all units of an order that are left, if there are any.
pub(crate) async fn insert_rest(db: &mut PgConnection, order_id: Uuid, created_by: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "with line as materialized (
             select product_id, quantity - unshipped_quantity - shipped_quantity as quantity
             from orders.order_items
             where order_id = $2 and quantity - unshipped_quantity - shipped_quantity > 0
         ), shipment as (
             insert into orders.shipments (id, order_id, created_by)
             select $1, $2, $3 where exists (select from line)
         ), lines as (
             insert into orders.shipment_lines (shipment_id, order_id, product_id, quantity)
             select $1, $2, product_id, quantity from line
         ), shipped as (
             update orders.orders set has_shipments = true where id = $2 and exists (select from line)
         )
         update orders.order_items i
         set shipped_quantity = i.shipped_quantity + line.quantity
         from line
         where i.order_id = $2 and i.product_id = line.product_id",
        Uuid::now_v7(),
        order_id,
        created_by,
    )
    .execute(db)
    .await?;
    Ok(())
}
