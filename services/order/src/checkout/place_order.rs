//! Places an order:
//!
//! 1. A request with a known idempotency key gets the result of its first use.
//! 2. The cart is read, after the lines of the user's earlier orders were removed from it, and a checkout of the cart's
//!    version is stored. It is stored only if no other checkout of the user has started meanwhile, so no line is ordered
//!    twice, however many calls run at once. A call that is too late starts over, and finds the other checkout by its
//!    key or by the version of the cart that both calls have read.
//!    Carts of guests may have been merged into the cart: [`merged_guests`](super::merged_guests).
//! 3. The stock is reserved, the order placed and the cart cleared ([`processing`]). If a call stops before, the next call
//!    or the [`recovery`](super::recovery) worker continues.

use std::time::Instant;

use bodega_runtime::{status::parse_uuid, telemetry};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    customer::Customer,
    db::{
        checkouts::{self, Checkout, CheckoutState, Outcome, RecordedKey, Stage},
        combined::{Found, NewCheckout},
    },
    merged_guests::MergedGuests,
    pricing::Line,
    processing,
    request::PlaceOrder,
};
use crate::{
    app::App,
    error::Error,
    mail::RequireVerifiedEmail,
    orders::db::{self, Order},
    outbox::deliveries,
};

/// Maximum number of attempts of a call. It starts over only if another checkout of the same user has made progress.
const MAX_ATTEMPTS: usize = 10;

/// A placed order.
#[derive(Debug)]
pub(crate) struct PlacedOrder {
    pub order: Order,
    /// The versions of its products after the reservation; empty if another call has reserved them.
    pub product_versions: Vec<ProductVersion>,
    /// Opens the order; `None` for users.
    pub access_token: Option<String>,
}

/// A product's version in the catalog.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProductVersion {
    pub product_id: i32,
    pub version: i64,
}

impl From<Order> for PlacedOrder {
    fn from(order: Order) -> Self {
        Self { order, product_versions: Vec::new(), access_token: None }
    }
}

/// Places an order from the customer's cart.
pub(crate) async fn place_order(
    app: &App,
    customer: &Customer,
    request: &PlaceOrder,
) -> Result<PlacedOrder, Error> {
    let placed = find_or_place(app, customer, request).await?;
    let access_token = customer.access_token(placed.order.id);
    Ok(PlacedOrder { access_token, ..placed })
}

async fn find_or_place(app: &App, customer: &Customer, request: &PlaceOrder) -> Result<PlacedOrder, Error> {
    let started_at = Instant::now();
    let customer_id = customer.id();
    let (mut call, mut cart_version, mut merged_guests) = (None, None, Vec::new());
    for _ in 0..MAX_ATTEMPTS {
        // Before the cart is read: see `Statements::start`.
        let found = app.statements.find(customer_id, request.idempotency_key.clone()).await?;
        let is_placed = |latest: &&CheckoutState| latest.stage == Stage::Placed;
        let call = *call.get_or_insert_with(|| Call {
            customer,
            customer_id,
            started_at,
            last_order: found.latest.as_ref().filter(is_placed).map(|latest| latest.id),
        });
        if let Some(order_id) =
            find_existing(app, customer_id, request, found.key.as_ref(), cart_version).await?
        {
            return match db::find(&app.db, order_id, Some(customer_id)).await? {
                Some(order) => Ok(order.into()),
                None => {
                    let outcome = processing::run_to_completion(app, order_id).await?;
                    load_order(app, customer_id, order_id, outcome).await
                }
            };
        }
        require_verified_email(app, customer).await?;
        let guests = MergedGuests::load(app, &merged_guests).await?;
        match start(app, call, request, found, &guests).await? {
            Start::Started(checkout) => {
                let outcome = processing::process(app, &checkout).await?;
                return load_order(app, customer_id, checkout.id, outcome).await;
            }
            Start::StartOver { cart_version: version, merged_guests: guests } => {
                cart_version = Some(version);
                merged_guests = guests;
            }
        }
    }
    Err(Error::StillPlacing)
}

/// Checks the address of the customer of a new checkout, if the store requires it: the address may be confirmed at any time. That of
/// a guest cannot be.
async fn require_verified_email(app: &App, customer: &Customer) -> Result<(), Error> {
    if app.require_verified_email == RequireVerifiedEmail::Off {
        return Ok(());
    }
    let user_id = customer.user_id().ok_or(Error::EmailNotVerified)?;
    let contacts = app.upstreams.contacts(&[user_id]).await?;
    if contacts.iter().any(|contact| contact.email_verified) { Ok(()) } else { Err(Error::EmailNotVerified) }
}

/// Returns the order of a customer. A guest does not get an order that was claimed meanwhile.
async fn load_order(app: &App, customer_id: Uuid, id: Uuid, outcome: Outcome) -> Result<PlacedOrder, Error> {
    match outcome {
        Outcome::Placed(Some(placed)) => Ok(*placed),
        Outcome::Placed(None) => {
            let order = db::find(&app.db, id, Some(customer_id)).await?;
            order.map(Into::into).ok_or(Error::OrderNotFound)
        }
        Outcome::Rejected(rejection) => Err(Error::Rejected(rejection)),
    }
}

#[derive(Clone, Copy)]
struct Call<'a> {
    customer: &'a Customer,
    customer_id: Uuid,
    started_at: Instant,
    /// The customer's latest checkout when the call began, if it was an order.
    last_order: Option<Uuid>,
}

/// Returns whether deliveries of a checkout are pending. The row of a delivery that this process has made may not be deleted
/// yet.
pub(super) fn has_deliveries(app: &App, checkout: &CheckoutState) -> bool {
    checkout.releases_stock || checkout.clears_cart && !app.cleared_carts.contains(checkout.id)
}

/// Returns the id of the checkout that this request has led to before, by its key or by the version of the cart.
async fn find_existing(
    app: &App,
    customer_id: Uuid,
    request: &PlaceOrder,
    recorded: Option<&RecordedKey>,
    cart_version: Option<i64>,
) -> Result<Option<Uuid>, Error> {
    if let Some(recorded) = recorded {
        if !request.is_request(recorded.expected_total_minor, recorded.request_hash.as_deref()) {
            return Err(Error::IdempotencyKeyReused);
        }
        return Ok(Some(recorded.order_id));
    }

    let Some(cart_version) = cart_version else { return Ok(None) };
    let Some(checkout) = checkouts::find_by_cart(&app.db, customer_id, cart_version).await? else {
        return Ok(None);
    };
    if !request.shares_result_of(&checkout) {
        // The order of another request has emptied the cart.
        return if checkout.stage == Stage::Placed { Err(Error::EmptyCart) } else { Ok(None) };
    }
    if let Some(key) = &request.idempotency_key {
        let recorded = RecordedKey {
            order_id: checkout.id,
            expected_total_minor: request.expected_total_minor,
            request_hash: request.request_hash.clone(),
        };
        if !checkouts::record_key(&app.db, customer_id, key, &recorded).await? {
            return Ok(None); // another call has recorded the key: the next attempt finds it
        }
    }
    if checkout.stage == Stage::Placed && has_deliveries(app, &checkout) {
        deliveries::deliver_pending_inline(app, checkout.id).await;
    }
    Ok(Some(checkout.id))
}

enum Start {
    Started(Box<Checkout>),
    /// Another call was faster, or an earlier checkout had to be completed: the call starts over, and first searches for an
    /// order of this version of the cart.
    StartOver {
        cart_version: i64,
        /// The guests whose carts were merged into it since the last checkout.
        merged_guests: Vec<Uuid>,
    },
}

/// Reads the cart and starts a checkout of it. `found` and `guests` were read before.
async fn start(
    app: &App,
    call: Call<'_>,
    request: &PlaceOrder,
    found: Found,
    guests: &MergedGuests,
) -> Result<Start, Error> {
    let Call { customer, customer_id, started_at, last_order } = call;
    let Found { latest, pending_orders, has_rules, merged_guests: known_guests, .. } = found;
    let had_deliveries = latest.as_ref().is_some_and(|latest| has_deliveries(app, latest));
    let cart = app.upstreams.cart_snapshot(customer_id).await?;
    if cart.version == 0 && customer.guest_id().is_some() {
        return Err(Error::CartNotFound);
    }
    let merged = cart.merged_guest_ids.iter().map(|id| parse_uuid("merged_guest_ids", id));
    let merged = merged.filter(|id| id.as_ref().map_or(true, |id| !known_guests.contains(id)));
    let merged_guests = merged.collect::<Result<Vec<_>, _>>()?;
    let expected_guests = guests.expected(&merged_guests);
    let has_unfinished = guests.complete(app, &merged_guests).await?;
    let start_over = Start::StartOver { cart_version: cart.version, merged_guests };
    if has_unfinished {
        return Ok(start_over);
    }

    if let Some(state) = &latest
        && (state.stage == Stage::Placing || had_deliveries)
    {
        if state.cart_version != cart.version || !request.shares_result_of(state) {
            complete(app, state).await?;
        }
        return Ok(start_over);
    }
    if cart.lines.is_empty() {
        // If an order emptied the cart during this call, the call is for that order's cart.
        let placed =
            checkouts::cart_version_of_order_since(&app.db, customer_id, last_order, started_at.elapsed());
        let cart_version = placed.await?.ok_or(Error::EmptyCart)?;
        return Ok(Start::StartOver { cart_version, merged_guests: Vec::new() });
    }

    // The number is exact: the checkout starts only if no other one of the user has started since it was read.
    if let Some(max) = app.max_pending_orders.filter(|max| pending_orders >= i64::from(*max)) {
        return Err(Error::TooManyPendingOrders(max));
    }

    let lines = cart.lines.into_iter().map(|line| Line {
        product_id: line.product_id,
        quantity: line.quantity,
        quoted_price_minor: line.quoted_price_minor,
    });
    let mut lines: Vec<_> = lines.collect();
    // The total can depend on the order of the lines by a unit: all processes have the same one.
    lines.sort_unstable_by_key(|line| line.product_id);
    let id = Uuid::now_v7();
    let checkout = Checkout {
        id,
        user_id: customer_id,
        guest_id: customer.guest_id(),
        expected_total_minor: request.expected_total_minor,
        attempts: 0,
        is_expired: false,
        traceparent: telemetry::traceparent(),
        lines: Json(lines),
        form: Json(request.form.clone()),
        has_rules,
    };
    let new = NewCheckout {
        checkout: checkout.clone(),
        cart_version: cart.version,
        key: request.idempotency_key.clone(),
        request_hash: request.request_hash.clone(),
        previous: latest.map(|latest| latest.id),
        access_key_hash: customer.access_key_hash(id),
        merged_guests: expected_guests,
        traceparent: checkout.traceparent.clone(),
    };
    match app.statements.start(new).await {
        Ok(true) => Ok(Start::Started(checkout.into())),
        Ok(false) => Ok(start_over),
        Err(Error::Database(error)) if checkouts::is_duplicate(&error) => Ok(start_over),
        Err(error) => Err(error),
    }
}

/// Completes a checkout before the user's next one: its lines leave the cart, or its stock is released.
pub(super) async fn complete(app: &App, checkout: &CheckoutState) -> Result<(), Error> {
    if checkout.stage == Stage::Placing {
        processing::run_to_completion(app, checkout.id).await?;
    }
    deliveries::deliver_pending(app, checkout.id).await
}
