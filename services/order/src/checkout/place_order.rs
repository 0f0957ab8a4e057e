//! Placing an order, as a story.
//!
//! 1. A known key is answered with what it led to.
//! 2. The cart is read, after all that its user ordered before was taken out of it, and the attempt is written down
//!    under the cart's version. It counts only if no other attempt of the user was begun meanwhile: so lines that were
//!    ordered are never ordered again, by whatever number of calls. Who comes too late starts over, and finds the
//!    attempt that came first, by its key or by the version of the cart that both have seen.
//! 3. The stock is reserved, the order settled, the cart cleared: see [`drive`]. Whoever stops before leaves the rest
//!    to the next call, or to [`recover`](crate::recover).

use std::time::Instant;

use bodega_runtime::status::Violations;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    App, drive,
    error::Error,
    order::{Attempt, Line, Order, Outcome, Stage},
    outbox,
    store::{self, attempts::Known},
};

/// How often a call starts over. Each time somebody else's attempt of the same user has got on.
const MAX_ROUNDS: usize = 10;
/// The longest key, in characters.
const MAX_KEY: usize = 255;

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// Chosen by the client, one a checkout.
    pub key: Option<String>,
    /// The total it insists on, in minor units.
    pub expected_total_minor: Option<i64>,
}

impl Request {
    /// A request with an empty key for none.
    ///
    /// # Errors
    /// The fields that are out of bounds.
    pub(crate) fn new(key: String, expected_total_minor: Option<i64>) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        violations.require(
            printable && key.len() <= MAX_KEY,
            "idempotency_key",
            format!("must have 1 to {MAX_KEY} printable ASCII characters"),
        );
        violations.require(
            expected_total_minor.is_none_or(|total| total >= 0),
            "expected_total_minor",
            "must not be negative",
        );
        violations.finish()?;
        Ok(Self { key: Some(key).filter(|key| !key.is_empty()), expected_total_minor })
    }

    /// Whether an attempt of the same cart may stand for this request too. One that is an order does: a state of a cart
    /// gives no other. One that may still be refused must be refused for what this request would be.
    fn is_served_by(&self, attempt: &Known) -> bool {
        match attempt.stage {
            Stage::Placed => true,
            Stage::Placing => self.expected_total_minor == attempt.expected_total_minor,
            Stage::Rejected => false,
        }
    }
}

/// Places an order from the user's cart.
pub(crate) async fn place_order(app: &App, user_id: Uuid, request: &Request) -> Result<Order, Error> {
    let started = Instant::now();
    let mut version = None;
    for _ in 0..MAX_ROUNDS {
        if let Some(id) = known(app, user_id, request, version).await? {
            let outcome = drive::to_the_end(app, id).await?;
            return answer(app, id, outcome).await;
        }
        let (seen, begun) = begin(app, user_id, request, started).await?;
        if let Some(attempt) = begun {
            let outcome = drive::drive(app, &attempt).await?;
            return answer(app, attempt.id, outcome).await;
        }
        version = Some(seen);
    }
    Err(Error::StillPlacing)
}

async fn answer(app: &App, id: Uuid, outcome: Outcome) -> Result<Order, Error> {
    match outcome {
        Outcome::Placed => store::orders::find(&app.db, id, None).await?.ok_or(Error::NotFound),
        Outcome::Rejected(rejection) => Err(Error::Refused(rejection)),
    }
}

/// The attempt that this request has led to already: by its key, or by the version of the cart it has seen.
async fn known(
    app: &App,
    user_id: Uuid,
    request: &Request,
    version: Option<i64>,
) -> Result<Option<Uuid>, Error> {
    if let Some(key) = &request.key
        && let Some(known) = store::attempts::by_key(&app.db, user_id, key).await?
    {
        if known.expected_total_minor != request.expected_total_minor {
            return Err(Error::KeyReused);
        }
        return Ok(Some(known.order_id));
    }

    let Some(version) = version else { return Ok(None) };
    let Some(attempt) = store::attempts::of_cart(&app.db, user_id, version).await? else { return Ok(None) };
    if !request.is_served_by(&attempt) {
        return Ok(None);
    }
    if let Some(key) = &request.key
        && !store::attempts::record_key(&app.db, user_id, key, request, attempt.id).await?
    {
        return Ok(None); // the same key came twice at once; it is known now
    }
    if attempt.stage == Stage::Placed && attempt.undelivered {
        outbox::tell_now(app, attempt.id).await;
    }
    Ok(Some(attempt.id))
}

/// Reads the cart and begins an attempt. Returns the cart's version, and the attempt unless somebody else was faster,
/// or something had to be finished first: then the call is to start over, and look for the order of that version.
async fn begin(
    app: &App,
    user_id: Uuid,
    request: &Request,
    started: Instant,
) -> Result<(i64, Option<Attempt>), Error> {
    let latest = store::attempts::latest(&app.db, user_id).await?;
    let cart = app.neighbours.cart_of(user_id).await?;

    if let Some(latest) = &latest
        && (latest.stage == Stage::Placing || latest.undelivered)
    {
        if latest.cart_version != cart.version || !request.is_served_by(latest) {
            finish(app, latest).await?;
        }
        return Ok((cart.version, None));
    }
    if cart.lines.is_empty() {
        // Emptied under this call's hands, it is the cart that the call was made for.
        let ordered = store::attempts::cart_ordered_within(&app.db, user_id, started.elapsed()).await?;
        return Ok((ordered.ok_or(Error::EmptyCart)?, None));
    }

    let lines = cart.lines.into_iter().map(|line| Line {
        product_id: line.product_id,
        quantity: line.quantity,
        quoted_price_minor: line.quoted_price_minor,
    });
    let attempt = Attempt {
        id: Uuid::now_v7(),
        user_id,
        expected_total_minor: request.expected_total_minor,
        attempts: 0,
        overdue: false,
        lines: Json(lines.collect()),
    };
    let previous = latest.map(|latest| latest.id);
    let begun =
        store::attempts::begin(&app.db, &attempt, cart.version, request.key.as_deref(), previous).await;
    match begun {
        Ok(begun) => Ok((cart.version, begun.then_some(attempt))),
        Err(cause) if store::attempts::lost_race(&cause) => Ok((cart.version, None)),
        Err(cause) => Err(cause.into()),
    }
}

/// Finishes an attempt that must be over before the user's next: what it ordered leaves the cart, what it must not
/// keep goes back to the shelf.
async fn finish(app: &App, attempt: &Known) -> Result<(), Error> {
    if attempt.stage == Stage::Placing {
        drive::to_the_end(app, attempt.id).await?;
    }
    outbox::deliver_all_of(app, attempt.id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_printable_and_bounded() {
        let key = |key: &str| Request::new(key.to_owned(), None);
        assert_eq!(key("").unwrap().key, None);
        assert_eq!(key("a key ~").unwrap().key.as_deref(), Some("a key ~"));
        assert!(key(&"k".repeat(255)).is_ok());
        for bad in ["tab\t", "nul\0", "é", &"k".repeat(256)] {
            assert!(key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_negative_total_is_refused_by_name() {
        let violations = Request::new(String::new(), Some(-1)).unwrap_err();
        assert_eq!(violations.to_string(), "expected_total_minor must not be negative");
    }
}
