//! Reads orders with their lines, payment and history.

use bodega_runtime::database::Pool;
use serde::Deserialize;
use sqlx::QueryBuilder;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{breakdown::Breakdown, status::OrderStatus};
use crate::{
    checkout::form::Form,
    payments::{payment::PaymentStatus, refunds::RefundStatus},
};

#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Order {
    pub id: Uuid,
    /// `None` for an order of a guest.
    pub user_id: Option<Uuid>,
    /// `None` if an earlier version has placed the order.
    pub number: Option<i64>,
    #[sqlx(json)]
    pub items: Vec<Item>,
    pub total_minor: i64,
    /// `None` if an earlier version has placed the order: then the total is the sum of the lines.
    #[sqlx(json(nullable))]
    pub breakdown: Option<Breakdown>,
    #[sqlx(json)]
    pub form: Form,
    pub currency: String,
    pub status: OrderStatus,
    #[sqlx(json(nullable))]
    pub payment: Option<OrderPayment>,
    #[sqlx(json)]
    pub history: Vec<Event>,
    /// Refunds of parts, the earliest first.
    #[sqlx(json)]
    pub refunds: Vec<Refund>,
    /// The earliest first.
    #[sqlx(json)]
    pub shipments: Vec<Shipment>,
    pub placed_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// A line of an order, with the name and price at which it was placed.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    pub product_id: i32,
    pub name: String,
    pub price_minor: i64,
    pub quantity: i32,
    /// As the breakdown of the order, `None` if an earlier version has placed the order.
    pub discount_minor: Option<i64>,
    pub tax_minor: Option<i64>,
    /// What the customer pays for the line.
    pub total_minor: Option<i64>,
    /// The id of the product, if `product_id` is that of one of its variants.
    pub variant_of: Option<i32>,
    pub sku: Option<String>,
    pub variant_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OrderPayment {
    pub provider: String,
    pub status: PaymentStatus,
    pub intent_id: Option<String>,
    pub refund_id: Option<String>,
    pub refunded_minor: i64,
    /// Whether a person has to decide about it.
    pub needs_review: bool,
}

/// A change of an order or of its payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    /// Status of the order after the change.
    pub status: OrderStatus,
    /// Status of the payment after the change; `None` if only the order changed.
    pub payment_status: Option<PaymentStatus>,
    /// Whether the payment status is `cancelled`; then `payment_status` is `failed`.
    #[serde(default)]
    pub payment_cancelled: bool,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A refund of a part of the payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Refund {
    pub id: Uuid,
    pub status: RefundStatus,
    pub amount_minor: i64,
    pub tax_minor: i64,
    pub shipping_minor: i64,
    pub restock: bool,
    pub reason: Option<String>,
    pub failure: Option<String>,
    pub is_external: bool,
    pub provider_refund_id: Option<String>,
    #[serde(default)]
    pub lines: Option<Vec<RefundLine>>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RefundLine {
    pub product_id: i32,
    pub quantity: i32,
    pub amount_minor: i64,
    pub tax_minor: i64,
}

/// A parcel.
#[derive(Debug, Deserialize)]
pub(crate) struct Shipment {
    pub id: Uuid,
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    pub lines: Vec<ShipmentLine>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ShipmentLine {
    pub product_id: i32,
    pub quantity: i32,
}

/// The filters and the page of a list: an order is listed if it matches all of them.
#[derive(Debug)]
pub(crate) struct Filter {
    pub user_id: Option<Uuid>,
    pub status: Option<OrderStatus>,
    pub number: Option<i64>,
    /// Lists orders that were placed at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Lists orders that were placed before this time.
    pub to: Option<OffsetDateTime>,
    /// Lists the orders that follow this one, given by its `placed_at` and id.
    pub after: Option<(OffsetDateTime, Uuid)>,
    pub limit: i64,
}

/// Returns an order of `owner`, or of any customer if `owner` is `None`.
pub(crate) async fn find(db: &Pool, id: Uuid, owner: Option<Uuid>) -> sqlx::Result<Option<Order>> {
    let mut query = QueryBuilder::new(SELECTED);
    query.push("id = ").push_bind(id);
    if let Some(owner) = owner {
        query.push(" and user_id = ").push_bind(owner); // another user's order is not found
    }
    query.push(SELECT_ORDERS).build_query_as().fetch_optional(db).await
}

/// Lists orders, the latest first.
pub(crate) async fn list(db: &Pool, filter: Filter) -> sqlx::Result<Vec<Order>> {
    let mut query = QueryBuilder::new(SELECTED);
    query.push("placed_at is not null");
    if let Some(user_id) = filter.user_id {
        query.push(" and user_id = ").push_bind(user_id);
    }
    if let Some(status) = filter.status {
        query.push(" and status = ").push_bind(status.as_str());
    }
    if let Some(number) = filter.number {
        query.push(" and number = ").push_bind(number);
    }
    if let Some(from) = filter.from {
        query.push(" and placed_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" and placed_at < ").push_bind(to);
    }
    if let Some((placed_at, id)) = filter.after {
        query.push(" and (placed_at, id) < (").push_bind(placed_at).push(", ").push_bind(id).push(")");
    }
    query.push(" order by placed_at desc, id desc limit ").push_bind(filter.limit);
    query.push(SELECT_ORDERS).build_query_as().fetch_all(db).await
}

/// Selects the rows first, so that lines, payments and histories are read for these only.
const SELECTED: &str = "with selected as (
    select id, nullif(user_id, guest_id) as user_id, number, total_minor, currency, subtotal_minor, discount_minor, shipping_minor,
           shipping_discount_minor, shipping_tax_minor, tax_minor, prices_include_tax, shipping_title, taxes, choices,
           status, placed_at, updated_at
    from orders.orders where ";

/// Of several payments, selects the completed or refunded one, or else the latest.
const SELECT_ORDERS: &str = ")
    select o.id, o.user_id, o.number, o.total_minor, o.currency, o.status, o.placed_at, o.updated_at,
           case when o.subtotal_minor is not null then json_build_object(
               'subtotal_minor', o.subtotal_minor, 'discount_minor', o.discount_minor,
               'shipping_minor', o.shipping_minor, 'shipping_discount_minor', o.shipping_discount_minor,
               'shipping_tax_minor', o.shipping_tax_minor, 'tax_minor', o.tax_minor,
               'prices_include_tax', o.prices_include_tax, 'shipping_title', o.shipping_title, 'taxes', o.taxes,
               'discounts', coalesce((
                   select json_agg(d order by d.discount_id) from orders.order_discounts d where d.order_id = o.id
               ), '[]')
           ) end as breakdown,
           coalesce(o.choices, '{}') || coalesce((
               select c.details from orders.order_contacts c where c.order_id = o.id
           ), '{}') as form,
           (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id) as items,
           (
               select json_build_object(
                   'provider', p.provider, 'intent_id', p.intent_id, 'refund_id', p.refund_id,
                   'status', case
                       when p.status = 'failed' and p.cancelled then 'cancelled'
                       -- In parts.
                       when p.status = 'completed' and p.amount_minor > 0 and p.amount_minor = (
                           select sum(f.amount_minor) from orders.refunds f
                           where f.payment_id = p.id and f.status = 'succeeded'
                       ) then 'refunded'
                       else p.status
                   end,
                   'refunded_minor', case when p.status = 'refunded' then p.amount_minor else p.refunded_minor end,
                   'needs_review', exists (
                       select from orders.payment_reviews r where r.payment_id = p.id and r.resolved_at is null
                   )
               )
               from orders.payments p where p.order_id = o.id
               order by p.status in ('completed', 'refund_pending', 'refunded') desc, p.status = 'completed' desc,
                        p.attempt desc
               limit 1
           ) as payment,
           (select json_agg(e order by e.id) from orders.order_events e where e.order_id = o.id) as history,
           coalesce((
               select json_agg(json_build_object(
                   'id', f.id, 'status', f.status, 'amount_minor', f.amount_minor, 'tax_minor', f.tax_minor,
                   'shipping_minor', f.shipping_minor, 'restock', f.restock, 'reason', f.reason, 'failure', f.failure,
                   'is_external', f.is_external, 'provider_refund_id', f.provider_refund_id, 'created_at', f.created_at,
                   'lines', (select json_agg(l order by l.product_id) from orders.refund_lines l where l.refund_id = f.id)
               ) order by f.id)
               from orders.refunds f where f.order_id = o.id
           ), '[]') as refunds,
           coalesce((
               select json_agg(json_build_object(
                   'id', s.id, 'carrier', s.carrier, 'tracking_number', s.tracking_number,
                   'tracking_url', s.tracking_url, 'created_at', s.created_at,
                   'lines', (select json_agg(l order by l.product_id) from orders.shipment_lines l where l.shipment_id = s.id)
               ) order by s.id)
               from orders.shipments s where s.order_id = o.id
           ), '[]') as shipments
    from selected o
    where o.placed_at is not null
    order by o.placed_at desc, o.id desc";
