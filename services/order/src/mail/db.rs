//! SQL of what mails about orders contain.

use bodega_runtime::database::Pool;
use serde::Deserialize;
use sqlx::types::Json;
use uuid::Uuid;

/// A placed order.
pub(super) struct OrderRow {
    pub(super) id: Uuid,
    /// `None` if an earlier version has placed the order.
    pub(super) number: Option<i64>,
    pub(super) total_minor: i64,
    pub(super) currency: String,
    pub(super) is_paid: bool,
    pub(super) items: Json<Vec<Item>>,
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
    pub(super) currency: String,
}

pub(super) async fn orders(db: &Pool, ids: &[Uuid]) -> sqlx::Result<Vec<OrderRow>> {
    sqlx::query_as!(
        OrderRow,
        r#"select o.id, o.number, o.total_minor as "total_minor!", o.currency as "currency!",
                  exists (
                      select from orders.payments p where p.order_id = o.id and p.status = 'completed'
                  ) as "is_paid!",
                  (
                      select json_agg(json_build_object('name', i.name, 'price_minor', i.price_minor, 'quantity', i.quantity)
                          order by i.product_id)
                      from orders.order_items i where i.order_id = o.id
                  ) as "items!: Json<Vec<Item>>"
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
        "select id, provider, amount_minor, currency from orders.payments where id = any($1)",
        ids,
    )
    .fetch_all(db)
    .await
}
