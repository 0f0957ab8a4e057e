//! What must hold. A new rule is a query in `sql/` for the rows that break it, and an entry here.

/// A query for rows, each described in one line of text.
#[derive(Debug)]
pub struct Check {
    /// What holds where it finds nothing.
    pub name: &'static str,
    /// What its rows mean.
    pub kind: Kind,
    /// One statement with one column of type text.
    pub sql: &'static str,
}

/// What the rows of a check mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The rule is broken.
    Rule,
    /// Something is still to be done; told for information.
    Pending,
}

macro_rules! checks {
    ($($kind:ident $name:literal $file:literal;)*) => {
        &[$(Check { name: $name, kind: Kind::$kind, sql: include_str!(concat!("sql/", $file, ".sql")) }),*]
    };
}

/// Every check, in the order they are run.
pub const CHECKS: &[Check] = checks! {
    Rule "stock is the sum of its movements" "stock";
    Rule "stock was never below zero" "stock_history";
    Rule "what was put in is in stock or reserved" "stock_balance";
    Rule "what went out of stock and came back was reserved and released" "reservation_movements";
    Rule "an order that lives has its lines reserved" "reserved_orders";
    Rule "what is reserved belongs to an order that lives, line by line" "reservations";
    Rule "a picture is kept as long as a product shows it" "product_pictures";

    Rule "an order costs what its lines cost" "order_totals";
    Rule "an order moved along its states" "order_history";
    Rule "a cart as it stood gave one order" "one_order_per_cart";
    Rule "an idempotency key leads its user to their own order" "idempotency_keys";
    Rule "whoever ordered has an account" "order_owners";
    Rule "no attempt to order is stuck" "stuck_orders";
    Rule "no message to a neighbour is stuck" "stuck_outbox";
    Rule "no neighbour refuses what it is told" "refused_messages";

    Rule "an order is paid as long as one of its payments is completed" "paid_orders";
    Rule "a cancelled order keeps no money" "kept_money";
    Rule "a payment is of its order's total" "payment_amounts";
    Rule "money comes once and goes back once" "payment_history";
    Rule "an order has at most one open payment" "open_payments";
    Rule "a payment that can move by itself is watched" "unwatched_payments";
    Rule "no payment waits for its provider to be asked" "overdue_looks";
    Rule "what a provider told is applied, or will be" "provider_events";
    Rule "what a provider told came to pass" "told_payments";
    Rule "no event of a provider is stuck" "stuck_events";

    Rule "a cart's lines are within bounds, of products there are" "carts";
    Rule "a cart belongs to an account or a guest" "cart_owners";
    Rule "what was taken out of a cart was ordered" "checkouts";
    Rule "what was ordered was taken out of its cart" "cleared_carts";

    Rule "a login belongs to one account" "logins";
    Rule "a picture is kept as long as an account shows it" "avatars";
    Rule "whoever is disabled or deleted is signed out" "sessions";
    Rule "somebody can run the shop" "an_admin";
    Rule "one key signs access tokens" "signing_keys";

    Pending "orders being placed" "placing_orders";
    Pending "messages to neighbours on their way" "outbox";
    Pending "events of providers to be applied" "unapplied_events";
    Pending "money on its way back" "refunds";
};
