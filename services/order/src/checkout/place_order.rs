//! Places an order:
//!
//! 1. A request with a known idempotency key gets the result of its first use.
//! 2. The cart is read, after the lines of the user's earlier orders were removed from it, and a checkout of the cart's
//!    version is stored. It is stored only if no other checkout of the user has started meanwhile, so no line is ordered
//!    twice, however many calls run at once. A call that is too late starts over, and finds the other checkout by its
//!    key or by the version of the cart that both calls have read.
//! 3. The stock is reserved, the order placed and the cart cleared ([`processing`]). If a call stops before, the next call
//!    or the [`recovery`](super::recovery) worker continues.

use std::time::Instant;

use bodega_runtime::status::Violations;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    db::checkouts::{self, Checkout, CheckoutState, Outcome, Stage},
    pricing::Line,
    processing,
};
use crate::{
    app::App,
    error::Error,
    orders::db::{self, Order},
    outbox::deliveries,
};

/// Maximum number of attempts of a call. It starts over only if another checkout of the same user has made progress.
const MAX_ATTEMPTS: usize = 10;
const MAX_KEY_LENGTH: usize = 255;

/// A validated request.
#[derive(Debug)]
pub(crate) struct PlaceOrder {
    pub idempotency_key: Option<String>,
    /// The total that the client requires, in minor units.
    pub expected_total_minor: Option<i64>,
}

impl PlaceOrder {
    /// An empty key stands for none.
    ///
    /// # Errors
    /// The invalid fields.
    pub(crate) fn new(
        idempotency_key: String,
        expected_total_minor: Option<i64>,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let is_printable = idempotency_key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        violations.require(
            is_printable && idempotency_key.len() <= MAX_KEY_LENGTH,
            "idempotency_key",
            format!("must have 1 to {MAX_KEY_LENGTH} printable ASCII characters"),
        );
        violations.require(
            expected_total_minor.is_none_or(|total| total >= 0),
            "expected_total_minor",
            "must not be negative",
        );
        violations.finish()?;
        let idempotency_key = Some(idempotency_key).filter(|key| !key.is_empty());
        Ok(Self { idempotency_key, expected_total_minor })
    }

    /// Returns whether this request gets the result of a checkout of the same version of the cart. A placed order is the
    /// result of all such requests. While the checkout may still be rejected, both must expect the same total.
    fn shares_result_of(&self, checkout: &CheckoutState) -> bool {
        match checkout.stage {
            Stage::Placed => true,
            Stage::Placing => self.expected_total_minor == checkout.expected_total_minor,
            Stage::Rejected => false,
        }
    }
}

/// Places an order from the user's cart.
pub(crate) async fn place_order(app: &App, user_id: Uuid, request: &PlaceOrder) -> Result<Order, Error> {
    let started_at = Instant::now();
    let mut cart_version = None;
    for _ in 0..MAX_ATTEMPTS {
        if let Some(order_id) = find_existing(app, user_id, request, cart_version).await? {
            let outcome = processing::run_to_completion(app, order_id).await?;
            return load_order(app, order_id, outcome).await;
        }
        match start(app, user_id, request, started_at).await? {
            Start::Started(checkout) => {
                let outcome = processing::process(app, &checkout).await?;
                return load_order(app, checkout.id, outcome).await;
            }
            Start::StartOver { cart_version: version } => cart_version = Some(version),
        }
    }
    Err(Error::StillPlacing)
}

async fn load_order(app: &App, id: Uuid, outcome: Outcome) -> Result<Order, Error> {
    match outcome {
        Outcome::Placed => db::find(&app.db, id, None).await?.ok_or(Error::OrderNotFound),
        Outcome::Rejected(rejection) => Err(Error::Rejected(rejection)),
    }
}

/// Returns the id of the checkout that this request has led to before, by its key or by the version of the cart.
async fn find_existing(
    app: &App,
    user_id: Uuid,
    request: &PlaceOrder,
    cart_version: Option<i64>,
) -> Result<Option<Uuid>, Error> {
    if let Some(key) = &request.idempotency_key
        && let Some(recorded) = checkouts::find_key(&app.db, user_id, key).await?
    {
        if recorded.expected_total_minor != request.expected_total_minor {
            return Err(Error::IdempotencyKeyReused);
        }
        return Ok(Some(recorded.order_id));
    }

    let Some(cart_version) = cart_version else { return Ok(None) };
    let found = checkouts::find_by_cart(&app.db, user_id, cart_version).await?;
    let Some(checkout) = found.filter(|checkout| request.shares_result_of(checkout)) else {
        return Ok(None);
    };
    if let Some(key) = &request.idempotency_key
        && !checkouts::record_key(&app.db, user_id, key, request.expected_total_minor, checkout.id).await?
    {
        return Ok(None); // another call has recorded the key: the next attempt finds it
    }
    if checkout.stage == Stage::Placed && checkout.has_deliveries {
        deliveries::deliver_pending_inline(app, checkout.id).await;
    }
    Ok(Some(checkout.id))
}

enum Start {
    Started(Checkout),
    /// Another call was faster, or an earlier checkout had to be completed: the call starts over, and first searches for an
    /// order of this version of the cart.
    StartOver {
        cart_version: i64,
    },
}

/// Reads the cart and starts a checkout of it.
async fn start(app: &App, user_id: Uuid, request: &PlaceOrder, started_at: Instant) -> Result<Start, Error> {
    // Before the cart is read: see `checkouts::start`.
    let latest = checkouts::find_latest(&app.db, user_id).await?;
    let cart = app.upstreams.cart_snapshot(user_id).await?;
    let start_over = Start::StartOver { cart_version: cart.version };

    if let Some(latest) = &latest
        && (latest.stage == Stage::Placing || latest.has_deliveries)
    {
        if latest.cart_version != cart.version || !request.shares_result_of(latest) {
            complete(app, latest).await?;
        }
        return Ok(start_over);
    }
    if cart.lines.is_empty() {
        // If an order emptied the cart during this call, the call is for that order's cart.
        let placed = checkouts::cart_version_placed_within(&app.db, user_id, started_at.elapsed()).await?;
        return Ok(Start::StartOver { cart_version: placed.ok_or(Error::EmptyCart)? });
    }

    let lines = cart.lines.into_iter().map(|line| Line {
        product_id: line.product_id,
        quantity: line.quantity,
        quoted_price_minor: line.quoted_price_minor,
    });
    let checkout = Checkout {
        id: Uuid::now_v7(),
        user_id,
        expected_total_minor: request.expected_total_minor,
        attempts: 0,
        is_expired: false,
        lines: Json(lines.collect()),
    };
    let previous = latest.map(|latest| latest.id);
    let key = request.idempotency_key.as_deref();
    match checkouts::start(&app.db, &checkout, cart.version, key, previous).await {
        Ok(true) => Ok(Start::Started(checkout)),
        Ok(false) => Ok(start_over),
        Err(error) if checkouts::is_duplicate(&error) => Ok(start_over),
        Err(error) => Err(error.into()),
    }
}

/// Completes a checkout before the user's next one: its lines leave the cart, or its stock is released.
async fn complete(app: &App, checkout: &CheckoutState) -> Result<(), Error> {
    if checkout.stage == Stage::Placing {
        processing::run_to_completion(app, checkout.id).await?;
    }
    deliveries::deliver_pending(app, checkout.id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_printable_keys_of_up_to_255_characters() {
        let key = |key: &str| PlaceOrder::new(key.to_owned(), None);
        assert_eq!(key("").unwrap().idempotency_key, None);
        assert_eq!(key("a key ~").unwrap().idempotency_key.as_deref(), Some("a key ~"));
        assert!(key(&"k".repeat(255)).is_ok());
        for invalid in ["tab\t", "nul\0", "é", &"k".repeat(256)] {
            assert!(key(invalid).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn rejects_a_negative_total_and_names_the_field() {
        let violations = PlaceOrder::new(String::new(), Some(-1)).unwrap_err();
        assert_eq!(violations.to_string(), "expected_total_minor must not be negative");
    }
}
