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

    Rule "an order costs what its lines cost" "order_totals";
    Rule "an order moved along its states" "order_history";
    Rule "an order is paid once, in full, and refunded when it is cancelled" "payments";
    Rule "a cart as it stood gave one order" "one_order_per_cart";
    Rule "an idempotency key leads its user to their own order" "idempotency_keys";
    Rule "whoever ordered has an account" "order_owners";
    Rule "no attempt to order is stuck" "stuck_orders";
    Rule "no message to a neighbour is stuck" "stuck_outbox";

    Rule "a cart's lines are within bounds, of products there are" "carts";
    Rule "a cart belongs to an account or a guest" "cart_owners";
    Rule "what was taken out of a cart was ordered" "checkouts";
    Rule "what was ordered was taken out of its cart" "cleared_carts";

    Rule "a login belongs to one account" "logins";
    Rule "whoever is disabled or deleted is signed out" "sessions";
    Rule "somebody can run the shop" "an_admin";
    Rule "one key signs access tokens" "signing_keys";

    Pending "orders being placed" "placing_orders";
    Pending "messages to neighbours on their way" "outbox";
};
