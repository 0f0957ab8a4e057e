//! SQL of what mails about orders contain.

use bodega_runtime::database::Pool;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

/// A placed order.
pub(super) struct OrderRow {
    pub(super) id: Uuid,
    /// `None` if an earlier version has placed the order.
    pub(super) number: Option<i64>,
    pub(super) total_minor: i64,
    /// With the following fields: the parts of the total; `None` if an earlier version has placed the order.
    pub(super) discount_minor: Option<i64>,
    /// The price of shipping after its discount, without taxes that are added.
    pub(super) shipping_minor: Option<i64>,
    pub(super) tax_minor: Option<i64>,
    pub(super) prices_include_tax: Option<bool>,
    pub(super) currency: String,
    pub(super) is_paid: bool,
    pub(super) items: Json<Vec<Item>>,
    /// What the customer has entered as contact; `None` for nothing.
    pub(super) contact: Option<Json<Contact>>,
}

/// The contact of an order, instead of the account's. Orders of guests have no account.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Contact {
    pub(super) email: String,
    pub(super) name: String,
}

/// A line of an order.
#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) price_minor: i64,
    pub(super) quantity: i32,
}

/// A payment of an order.
pub(super) struct PaymentRow {
    pub(super) id: Uuid,
    pub(super) provider: String,
    pub(super) amount_minor: i64,
    /// The sum of the refunds of its parts, which have mails of their own.
    pub(super) refunds_minor: i64,
    pub(super) currency: String,
}

/// A refund of a part of a payment.
pub(super) struct RefundRow {
    pub(super) id: Uuid,
    pub(super) amount_minor: i64,
}

/// A parcel.
pub(super) struct ShipmentRow {
    pub(super) id: Uuid,
    pub(super) order_id: Uuid,
    pub(super) carrier: Option<String>,
    pub(super) tracking_number: Option<String>,
    pub(super) tracking_url: Option<String>,
    pub(super) items: Json<Vec<ShippedItem>>,
}

/// Units in a parcel.
#[derive(Deserialize, Serialize)]
pub(super) struct ShippedItem {
    name: String,
    quantity: i32,
}

pub(super) async fn orders(db: &Pool, ids: &[Uuid]) -> sqlx::Result<Vec<OrderRow>> {
    sqlx::query_as!(
        OrderRow,
        r#"select o.id, o.number, o.total_minor as "total_minor!", o.discount_minor, o.shipping_minor, o.tax_minor,
                  o.prices_include_tax, o.currency as "currency!",
                  exists (
                      select from orders.payments p where p.order_id = o.id and p.status = 'completed'
                  ) as "is_paid!",
                  (
                      select json_agg(json_build_object(
                                 'name', i.name || coalesce(' (' || i.variant_name || ')', ''),
                                 'price_minor', i.price_minor, 'quantity', i.quantity
                             ) order by i.product_id)
                      from orders.order_items i where i.order_id = o.id
                  ) as "items!: Json<Vec<Item>>",
                  (
                      select c.details -> 'contact' from orders.order_contacts c where c.order_id = o.id
                  ) as "contact: Json<Contact>"
           from orders.orders o
           where o.id = any($1) and o.placed_at is not null"#,
        ids,
    )
    .fetch_all(db)
    .await
}

pub(super) async fn payments(db: &Pool, ids: &[Uuid]) -> sqlx::Result<Vec<PaymentRow>> {
    sqlx::query_as!(
        PaymentRow,
        "select id, provider, amount_minor, refunds_minor, currency from orders.payments where id = any($1)",
        ids,
    )
    .fetch_all(db)
    .await
}

pub(super) async fn refunds(db: &Pool, ids: &[Uuid]) -> sqlx::Result<Vec<RefundRow>> {
    sqlx::query_as!(RefundRow, "select id, amount_minor from orders.refunds where id = any($1)", ids)
        .fetch_all(db)
        .await
}

/// Returns the shipments of orders, the earliest first.
pub(super) async fn shipments(db: &Pool, order_ids: &[Uuid]) -> sqlx::Result<Vec<ShipmentRow>> {
    sqlx::query_as!(
        ShipmentRow,
        r#"select s.id, s.order_id, s.carrier, s.tracking_number, s.tracking_url,
                  (
                      select json_agg(json_build_object(
                                 'name', i.name || coalesce(' (' || i.variant_name || ')', ''), 'quantity', l.quantity
                             ) order by l.product_id)
                      from orders.shipment_lines l
                      join orders.order_items i on i.order_id = l.order_id and i.product_id = l.product_id
                      where l.shipment_id = s.id
                  ) as "items!: Json<Vec<ShippedItem>>"
           from orders.shipments s
           where s.order_id = any($1)
           order by s.id"#,
        order_ids,
    )
    .fetch_all(db)
    .await
}
