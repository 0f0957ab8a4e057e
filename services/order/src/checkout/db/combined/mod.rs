//! The statements that place an order. Each serves up to 64 concurrent calls, as one transaction.
//!
//! A statement that has waited for a lock reads the locked row as it is now, but all other rows as they were before the wait.
//! So each of these statements decides by the rows that it locks, updates or inserts:
//!
//! - A checkout starts if the update of `latest_checkouts` finds the expected row, and no unique index has an equal entry. If the
//!   carts of guests were merged into the cart, it must find their rows too: they name the same checkout then. If it finds some of
//!   the rows only, the foreign key of the others makes the statement fail.
//! - An order is placed if its locked row is still `placing`.
//! - Deleting a row that another process has deleted has no effect.
//!
//! Rows are locked in the order of their ids, so that statements cannot deadlock. A statement for several calls waits for a
//! lock for 50 ms at most: then it fails, and each call runs again alone.

mod place;
mod sql;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bodega_runtime::{
    combiner::{Combiner, MAX_BATCH},
    database::Pool,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::checkouts::{Checkout, CheckoutState, RecordedKey};
use crate::{checkout::pricing::PricedLines, error::Error};

/// The combined statements.
#[derive(Clone)]
pub(crate) struct Statements {
    searches: Arc<AtomicU64>,
    find: Combiner<Search, Found, Error>,
    start: Combiner<Arc<NewCheckout>, bool, Error>,
    place: Combiner<Arc<PricedCheckout>, Option<Placement>, Error>,
    delete_clear_cart: Combiner<Uuid, (), Error>,
}

#[derive(Clone, Debug)]
struct Search {
    /// Unique, so that concurrent calls of one user share a statement.
    number: u64,
    user_id: Uuid,
    key: Option<String>,
}

/// What a user has checked out before.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The use of the idempotency key.
    pub key: Option<RecordedKey>,
    /// The user's latest checkout.
    pub latest: Option<CheckoutState>,
    /// The number of the user's pending orders, at most [`MAX_COUNTED_ORDERS`].
    pub pending_orders: i64,
    /// Whether the store may have settings, taxes, shipping methods or discounts.
    pub has_rules: bool,
    /// The guests whose carts were merged into the user's before an earlier checkout of the user.
    pub merged_guests: Vec<Uuid>,
}

/// Pending orders of a user that are counted.
pub(crate) const MAX_COUNTED_ORDERS: i64 = 1_000;

/// A checkout that is to start, leased to its caller.
#[derive(Clone, Debug)]
pub(crate) struct NewCheckout {
    pub checkout: Checkout,
    pub cart_version: i64,
    pub key: Option<String>,
    /// The hash of the checkout's form; `None` for an empty one.
    pub request_hash: Option<Vec<u8>>,
    /// The user's latest checkout before the cart was read.
    pub previous: Option<Uuid>,
    /// The hash of the token that opens the order; `None` for users.
    pub access_key_hash: Option<Vec<u8>>,
    /// The guests whose carts were merged into this one, each with the latest checkout before the cart was read.
    pub merged_guests: Vec<(Uuid, Option<Uuid>)>,
    pub traceparent: Option<String>,
}

/// A checkout that is to become an order.
#[derive(Clone, Debug)]
pub(crate) struct PricedCheckout {
    pub checkout: Checkout,
    pub priced: PricedLines,
}

/// What an order gets when it is placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub number: i64,
    pub placed_at: OffsetDateTime,
}

impl Statements {
    pub(crate) fn new(db: &Pool) -> Self {
        let pool = || db.clone();
        let (find_db, start_db, place_db, delete_db) = (pool(), pool(), pool(), pool());
        Self {
            searches: Arc::default(),
            find: Combiner::new(
                "searches for checkouts",
                MAX_BATCH,
                |search: &Search| search.number,
                move |searches| sql::find(find_db.clone(), searches),
            ),
            start: Combiner::new(
                "starts of checkouts",
                MAX_BATCH,
                |new: &Arc<NewCheckout>| new.checkout.user_id,
                move |new| sql::start(start_db.clone(), new),
            ),
            place: Combiner::new(
                "placed orders",
                MAX_BATCH,
                |priced: &Arc<PricedCheckout>| priced.checkout.id,
                move |priced| place::place(place_db.clone(), priced),
            ),
            delete_clear_cart: Combiner::new(
                "completed deliveries",
                MAX_BATCH,
                |order_id: &Uuid| *order_id,
                move |order_ids| sql::delete_clear_cart(delete_db.clone(), order_ids),
            ),
        }
    }

    /// Returns the use of an idempotency key, the user's latest checkout, and the number of the user's pending orders.
    pub(crate) async fn find(&self, user_id: Uuid, key: Option<String>) -> Result<Found, Error> {
        let number = self.searches.fetch_add(1, Ordering::Relaxed);
        self.find.submit(Search { number, user_id, key }).await
    }

    /// Starts a checkout with its idempotency key. Returns false if `previous` is no longer the user's latest checkout: then
    /// the cart may have been read before another checkout removed its lines. The same applies to merged guests.
    ///
    /// # Errors
    /// A violated constraint ([`is_duplicate`](super::checkouts::is_duplicate)) also means that another call has started a
    /// checkout.
    pub(crate) async fn start(&self, new: NewCheckout) -> Result<bool, Error> {
        self.start.submit(Arc::new(new)).await
    }

    /// Turns a checkout into an order, and stores the delivery that clears its cart. Returns `None` if another process has
    /// ended the checkout.
    pub(crate) async fn place(&self, priced: PricedCheckout) -> Result<Option<Placement>, Error> {
        self.place.submit(Arc::new(priced)).await
    }

    /// Deletes the delivery that has cleared the cart of an order.
    pub(crate) async fn delete_clear_cart(&self, order_id: Uuid) -> Result<(), Error> {
        self.delete_clear_cart.submit(order_id).await
    }
}
