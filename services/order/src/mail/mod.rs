//! The mails of orders.
//!
//! A trigger on the history of orders writes them (`migrations/0007_mail.sql`). What they contain is decided when they are sent:
//! the order is confirmed when it is placed, or, if the store accepts cards, when it is paid.

mod db;

use std::collections::HashMap;

use bodega_mail::{Compose, Composed, Letter, Mail, Mailbox, Mailer, NewMail, Outbox, Template};
use bodega_proto::identity::v1::Contact;
use bodega_runtime::{database::Pool, money::Currency};
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use self::db::{OrderRow, PaymentRow, RefundRow, ShipmentRow};
use crate::{SCHEMA, payments::provider::offline, upstream::Upstreams};

/// Arguments of mails about orders.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct OrderMailArgs {
    /// Address that is notified of new orders [default: none]
    #[arg(long, env = "BODEGA_MAIL_NOTIFY", value_parser = bodega_mail::mailbox)]
    pub mail_notify: Option<Mailbox>,
    /// What needs a confirmed email address
    #[arg(long, env = "BODEGA_REQUIRE_VERIFIED_EMAIL", value_enum, default_value = "off")]
    pub require_verified_email: RequireVerifiedEmail,
}

/// What needs a confirmed email address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RequireVerifiedEmail {
    /// Nothing.
    #[default]
    Off,
    /// Placing an order.
    Checkout,
}

/// Settings of mails about orders.
#[derive(Clone, Debug, Default)]
pub struct OrderMail {
    /// Sends mail.
    pub mailer: Option<Mailer>,
    /// The arguments.
    pub args: OrderMailArgs,
}

/// Composes the mails of orders.
pub(crate) struct OrderMails {
    pub(crate) db: Pool,
    pub(crate) upstreams: Upstreams,
    /// Whether new orders are paid by card.
    pub(crate) accepts_cards: bool,
    pub(crate) notify: Option<Mailbox>,
}

/// What happened to an order, or `NewOrder` for the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Placed,
    Paid,
    Shipped,
    Cancelled,
    Refunded,
    /// A part of the payment was refunded.
    PartlyRefunded,
    /// A part of the order was shipped.
    ShipmentSent,
    NewOrder,
}

impl Kind {
    fn of(mail: &Mail) -> Option<Self> {
        Some(match mail.kind.as_str() {
            "order_placed" => Self::Placed,
            "order_paid" => Self::Paid,
            "order_shipped" => Self::Shipped,
            "order_cancelled" => Self::Cancelled,
            "payment_refunded" => Self::Refunded,
            "partial_refund" => Self::PartlyRefunded,
            "shipment_sent" => Self::ShipmentSent,
            "new_order" => Self::NewOrder,
            _ => return None,
        })
    }
}

impl Compose for OrderMails {
    async fn compose(&self, mails: &[Mail]) -> anyhow::Result<Vec<Composed>> {
        let ids: Vec<_> = mails.iter().filter_map(|mail| param(mail, "order_id")).collect();
        let payments: Vec<_> = mails.iter().filter_map(|mail| param(mail, "payment_id")).collect();
        let orders = db::orders(&self.db, &ids).await?;
        let orders: HashMap<_, _> = orders.into_iter().map(|order| (order.id, order)).collect();
        let payments = db::payments(&self.db, &payments).await?;
        let Returns { refunds, shipments } = self.returns(mails, &ids).await?;
        let users: Vec<_> = mails.iter().filter_map(|mail| mail.user_id).collect();
        let contacts = self.upstreams.contacts(&users).await?;
        let mut composed = Vec::with_capacity(mails.len());
        for mail in mails {
            let order = param(mail, "order_id").and_then(|id| orders.get(&id));
            let (Some(order), Some(kind)) = (order, Kind::of(mail)) else {
                composed.push(Composed::Discard);
                continue;
            };
            let payment = param(mail, "payment_id").and_then(|id| payments.iter().find(|row| row.id == id));
            let is_offline = payment.is_some_and(|payment| payment.provider == offline::NAME);
            let is_confirmed = match kind {
                Kind::Placed => !self.accepts_cards,
                Kind::Paid => !is_offline,
                _ => false,
            };
            if is_confirmed {
                self.notify_merchant(order).await?;
            }
            let refund =
                param(mail, "refund_id").and_then(|id| refunds.iter().find(|refund| refund.id == id));
            let amount = described_amount(kind, order, payment, refund);
            let template = match kind {
                // Of a payment whose parts were all refunded before, or of units that cost nothing.
                Kind::Refunded | Kind::PartlyRefunded if amount.is_some_and(|(_, minor)| minor == 0) => {
                    composed.push(Composed::Discard);
                    continue;
                }
                Kind::Placed | Kind::Paid if is_confirmed => Template::OrderConfirmation,
                Kind::Placed => {
                    composed.push(Composed::Discard);
                    continue;
                }
                Kind::Paid => Template::PaymentReceived,
                Kind::Shipped => Template::OrderShipped,
                Kind::Cancelled => Template::OrderCancelled,
                Kind::Refunded => Template::PaymentRefunded,
                Kind::PartlyRefunded => Template::PartialRefund,
                Kind::ShipmentSent => Template::ShipmentSent,
                Kind::NewOrder => Template::NewOrder,
            };
            let (to, name) = match (kind, mail.user_id) {
                (Kind::NewOrder, _) => (self.notify.as_ref().map(|to| to.email.to_string()), ""),
                (_, user) => {
                    let account =
                        contacts.iter().find(|it| user.is_some_and(|user| it.user_id == user.to_string()));
                    recipient(order, account)
                }
            };
            let Some(to) = to else {
                composed.push(Composed::Discard);
                continue;
            };
            let mut data = json!({"name": name, "order": order_data(order, kind == Kind::Paid)});
            if let Some((currency, minor)) = amount {
                data["amount"] = format_amount(currency, minor).into();
            }
            let is_described = |shipment: &&ShipmentRow| match param(mail, "shipment_id") {
                Some(id) => shipment.id == id,
                // The last one.
                None => kind == Kind::Shipped && shipment.order_id == order.id,
            };
            if matches!(kind, Kind::Shipped | Kind::ShipmentSent) {
                let shipment = shipments.iter().rev().find(is_described);
                data["shipment"] = shipment.map_or_else(|| json!({}), shipment_data);
            }
            composed.push(Composed::Letter(Letter { to, template, data }));
        }
        Ok(composed)
    }
}

/// Returns address and name of an order's customer: those that were entered at checkout, or else those of the account.
fn recipient<'a>(order: &'a OrderRow, account: Option<&'a Contact>) -> (Option<String>, &'a str) {
    let account_name = account.map_or("", |account| account.name.as_str());
    match &order.contact {
        Some(Json(contact)) if !contact.email.is_empty() => {
            let name = if contact.name.is_empty() { account_name } else { &contact.name };
            (Some(contact.email.clone()), name)
        }
        _ => (account.map(|account| account.email.clone()), account_name),
    }
}

/// Returns the amount that a mail about a refund or a payment is about, with its currency.
fn described_amount<'a>(
    kind: Kind,
    order: &'a OrderRow,
    payment: Option<&'a PaymentRow>,
    refund: Option<&RefundRow>,
) -> Option<(&'a str, i64)> {
    if let Some(refund) = refund {
        return Some((&order.currency, refund.amount_minor));
    }
    let payment = payment?;
    // The refunds of its parts have mails of their own.
    let refunded = if kind == Kind::Refunded { payment.refunds_minor } else { 0 };
    Some((&payment.currency, payment.amount_minor - refunded))
}

/// The refunds and shipments that mails are about.
#[derive(Default)]
struct Returns {
    refunds: Vec<RefundRow>,
    /// The earliest first.
    shipments: Vec<ShipmentRow>,
}

impl OrderMails {
    async fn returns(&self, mails: &[Mail], order_ids: &[Uuid]) -> sqlx::Result<Returns> {
        let refunds: Vec<_> = mails.iter().filter_map(|mail| param(mail, "refund_id")).collect();
        let has_shipments = |mail: &Mail| matches!(Kind::of(mail), Some(Kind::Shipped | Kind::ShipmentSent));
        let mut returns = Returns::default();
        if !refunds.is_empty() {
            returns.refunds = db::refunds(&self.db, &refunds).await?;
        }
        if mails.iter().any(has_shipments) {
            returns.shipments = db::shipments(&self.db, order_ids).await?;
        }
        Ok(returns)
    }

    /// Writes the mail to the merchant, which a repetition after a crash does not write again.
    async fn notify_merchant(&self, order: &OrderRow) -> sqlx::Result<()> {
        if self.notify.is_none() {
            return Ok(());
        }
        let mail = NewMail {
            kind: "new_order",
            dedupe_key: &format!("new_order:{}", order.id),
            user_id: None,
            email: None,
            params: json!({"order_id": order.id}),
        };
        Outbox::add(SCHEMA, &self.db, &mail).await
    }
}

fn param(mail: &Mail, name: &str) -> Option<Uuid> {
    mail.params.0.get(name)?.as_str()?.parse().ok()
}

fn order_data(order: &OrderRow, paid: bool) -> Value {
    let amount = |minor| format_amount(&order.currency, minor);
    let items = order.items.0.iter().map(|item| {
        let total = item.price_minor.saturating_mul(item.quantity.into());
        let (price, total) = (amount(item.price_minor), amount(total));
        json!({"name": item.name, "quantity": item.quantity, "price": price, "total": total})
    });
    // Null if it is nothing.
    let part = |minor: Option<i64>| minor.filter(|minor| *minor != 0).map(amount);
    let is_included = order.prices_include_tax.unwrap_or_default();
    let number = order.number.map_or_else(|| end_of_id(order.id), |number| number.to_string());
    json!({
        "id": order.id, "number": number, "paid": paid || order.is_paid, "total": amount(order.total_minor),
        "discount": part(order.discount_minor), "shipping": part(order.shipping_minor),
        "added_tax": part(order.tax_minor.filter(|_| !is_included)),
        "included_tax": part(order.tax_minor.filter(|_| is_included)),
        "items": items.collect::<Vec<_>>(),
    })
}

/// Returns what a person can read out of the id of an order without a number: its end, which is random.
fn end_of_id(id: Uuid) -> String {
    let id = id.simple().to_string();
    id[id.len() - 8..].to_uppercase()
}

fn shipment_data(shipment: &ShipmentRow) -> Value {
    json!({
        "carrier": shipment.carrier, "tracking_number": shipment.tracking_number, "tracking_url": shipment.tracking_url,
        "items": shipment.items.0,
    })
}

/// Returns `USD 19.99`.
fn format_amount(currency: &str, minor: i64) -> String {
    match currency.parse::<Currency>() {
        Ok(parsed) => format!("{currency} {}", parsed.format_amount(minor)),
        Err(_) => format!("{currency} {minor}"),
    }
}
