//! The list of checks. A check is a query in `sql/` for the rows that violate it, and an entry here. One check computes totals
//! again, which SQL cannot.

use std::{borrow::Cow, sync::LazyLock};

/// A query whose rows are violations or pending work, each described by one line of text.
#[derive(Debug)]
pub struct Check {
    /// The rule that holds if the query finds nothing.
    pub name: &'static str,
    /// The meaning of its rows.
    pub kind: Kind,
    /// One statement with one column of type `text`.
    pub sql: Cow<'static, str>,
    /// Returns the violation of a row, if there is one. Without it, each row is a violation.
    pub examine: Option<fn(&str) -> Option<String>>,
}

/// The meaning of the rows of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Violations.
    Rule,
    /// Work in progress, for information.
    Pending,
}

macro_rules! checks {
    ($($kind:ident $name:literal $file:literal $(of $schema:literal)?;)*) => {
        LazyLock::new(|| vec![totals_check(), $(Check {
            name: $name,
            kind: Kind::$kind,
            sql: sql(include_str!(concat!("sql/", $file, ".sql")), &[$($schema)?]),
            examine: None,
        }),*])
    };
}

/// Returns a statement, for this schema if it is one of several services.
fn sql(file: &'static str, schema: &[&str]) -> Cow<'static, str> {
    match schema {
        [] => file.into(),
        schema => file.replace("{schema}", &schema.concat()).into(),
    }
}

/// Orders store what their totals were computed from.
fn totals_check() -> Check {
    Check {
        name: "order totals are equal when they are computed again",
        kind: Kind::Rule,
        sql: bodega_order::STORED_TOTALS.into(),
        examine: Some(bodega_order::total_difference),
    }
}

/// All checks, in the order of their execution.
pub static CHECKS: LazyLock<Vec<Check>> = checks! {
    Rule "stock equals the sum of its movements" "stock_sums";
    Rule "stock was never negative" "stock_never_negative";
    Rule "all added units are in stock or reserved" "stock_balance";
    Rule "stock movements match reservations and releases" "reservation_movements";
    Rule "returned units match returns and movements" "returned_units";
    Rule "every line of an active order is reserved" "order_reservations";
    Rule "every reservation belongs to a line of an active order" "reservations";
    Rule "products match their variants" "product_variants";
    Rule "product images are stored, and stored images are used" "product_images";

    Rule "order totals equal the sum of their lines" "order_totals";
    Rule "uses of discounts belong to orders that are not cancelled" "discount_uses";
    Rule "orders have the address and the contact that they required" "required_addresses";
    Rule "order histories follow the state machine" "order_history";
    Rule "changes of orders have their events" "order_events_recorded";
    Rule "each cart version has at most one order" "one_order_per_cart";
    Rule "idempotency keys belong to the order's user" "idempotency_keys";
    Rule "order owners exist" "order_owners";
    Rule "no checkout is overdue" "overdue_checkouts";
    Rule "no delivery is overdue" "overdue_deliveries";
    Rule "no delivery was permanently rejected" "rejected_deliveries";
    Rule "mails about orders are sent or rejected within 48 hours" "unsent_order_mails";

    Rule "paid orders have exactly one completed payment" "paid_orders";
    Rule "cancelled orders have no completed payment" "cancelled_orders_refunded";
    Rule "payment amounts equal order totals" "payment_amounts";
    Rule "payment histories follow the state machine" "payment_history";
    Rule "each order has at most one open payment" "one_open_payment";
    Rule "reviews belong to payments of their order" "payment_reviews";
    Rule "refunds add up and do not exceed what was paid" "refund_sums";
    Rule "shipped units match shipments" "shipped_units";
    Rule "the catalog knows the units of refunds" "refunds_returned";
    Rule "refunds at the provider are recorded" "provider_refunds";
    Rule "every open refund is scheduled" "scheduled_refunds";
    Rule "every open payment has a scheduled poll" "scheduled_polls";
    Rule "no payment poll is overdue" "overdue_polls";
    Rule "every provider event is applied or scheduled" "scheduled_events";
    Rule "applied provider events match their payments" "event_payments";
    Rule "no provider event is overdue" "overdue_events";

    Rule "cart lines are within limits and refer to products" "cart_lines";
    Rule "cart owners exist" "cart_owners";
    Rule "cart checkouts belong to orders of their user" "cart_checkouts";
    Rule "ordered items were removed from the cart" "cleared_carts";

    Rule "emails and usernames are unique" "unique_logins";
    Rule "mails about accounts are sent or rejected within 48 hours" "unsent_account_mails";
    Rule "avatars are stored, and stored avatars are used" "avatars";
    Rule "disabled and deleted users have no active session" "ended_sessions";
    Rule "at least one admin can sign in" "active_admin";
    Rule "at most one key signs access tokens" "one_signing_key";

    Rule "the audit log of identity is unchanged" "audit_log" of "identity";
    Rule "the audit log of catalog is unchanged" "audit_log" of "catalog";
    Rule "the audit log of order is unchanged" "audit_log" of "orders";

    Pending "orders being placed" "pending_checkouts";
    Pending "deliveries to other services" "pending_deliveries";
    Pending "provider events to be applied" "pending_events";
    Pending "refunds in progress" "pending_refunds";
    Pending "mails about orders to be sent" "pending_order_mails";
    Pending "mails about accounts to be sent" "pending_account_mails";
    Pending "payments that need review" "payments_in_review";
};
