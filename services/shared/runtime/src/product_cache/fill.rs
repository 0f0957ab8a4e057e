//! Calls to the catalog for missing entries.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bodega_proto::catalog::v1::{ListProductsResponse, Product};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tracing::Instrument as _;

use super::{
    ProductCache,
    entry::{CachedProduct, Page},
    state::Begin,
};
use crate::{
    context::CallContext,
    status,
    timeouts::{FRESHNESS, MAX_STALENESS, UPSTREAM_CALL},
    transport::deadline_exceeded,
};

/// What is read: calls for the same key are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Product(i32),
    /// In ascending order.
    Batch(Vec<i32>),
    Page(Box<str>),
}

/// The response of the catalog.
pub(super) struct Filled {
    products: Vec<Product>,
    response: ListProductsResponse,
    /// Whether the products have their variants.
    has_variants: bool,
}

impl Filled {
    pub(super) fn products(products: Vec<Product>) -> Self {
        Self { products, response: ListProductsResponse::default(), has_variants: true }
    }

    pub(super) fn page(mut response: ListProductsResponse, has_variants: bool) -> Self {
        Self { products: std::mem::take(&mut response.products), response, has_variants }
    }
}

/// The products of a call.
pub(super) struct Outcome<R> {
    pub(super) products: Vec<CachedProduct<R>>,
    response: Arc<ListProductsResponse>,
}

impl<R> Outcome<R> {
    pub(super) fn into_page(self) -> Page<R> {
        Page { products: self.products, response: self.response, generation: None }
    }

    /// Returns the product of a call for one.
    pub(super) fn into_product(self) -> Result<CachedProduct<R>, Status> {
        let product = self.products.into_iter().next();
        product.ok_or_else(|| status::internal("the response of the catalog has no product"))
    }
}

impl<R> Clone for Outcome<R> {
    fn clone(&self) -> Self {
        Self { products: self.products.clone(), response: self.response.clone() }
    }
}

/// The calls in progress.
pub(super) struct Flights<R>(Mutex<HashMap<Key, Flight<R>>>);

impl<R> Default for Flights<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

type SharedOutcome<R> = Shared<BoxFuture<'static, Result<Outcome<R>, Status>>>;

struct Flight<R> {
    begin: Begin,
    started: Instant,
    outcome: SharedOutcome<R>,
}

impl<R, P> ProductCache<R, P>
where
    R: Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    /// Makes a call, or waits for one that others have begun, and keeps its result. Calls are shared only while the cache
    /// follows the stream.
    pub(super) async fn fill<C>(
        &self,
        key: Key,
        depends_on_availability: bool,
        call: impl Fn() -> C,
    ) -> Result<Outcome<R>, Status>
    where
        C: Future<Output = Result<Filled, Status>> + Send + 'static,
    {
        let (arrival, is_following) = {
            let state = self.lock();
            (state.begin(), state.is_following())
        };
        if !is_following {
            let filled = call().await?;
            return Ok(self.outcome(filled));
        }
        let (joined, begin) = self.join(&key, arrival, false, depends_on_availability, &call);
        let outcome = wait(joined).await?;
        if self.lock().includes(&begin, &arrival, &outcome.products) {
            return Ok(outcome);
        }
        // Something changed after the call had begun, and before this one arrived.
        let (own, _) = self.join(&key, arrival, true, depends_on_availability, &call);
        wait(own).await
    }

    /// Returns a call in progress, or begins one. With `after_arrival`, it has begun after the arrival.
    fn join<C>(
        &self,
        key: &Key,
        arrival: Begin,
        after_arrival: bool,
        depends_on_availability: bool,
        call: impl Fn() -> C,
    ) -> (SharedOutcome<R>, Begin)
    where
        C: Future<Output = Result<Filled, Status>> + Send + 'static,
    {
        let mut flights = self.flights();
        let begin = self.lock().begin();
        if let Some(flight) = flights.get(key)
            && flight.begin.epochs == begin.epochs
            // A client sees a change within the limit, also if the call reads just after its beginning.
            && flight.started.elapsed() < MAX_STALENESS - FRESHNESS
            && (!after_arrival || flight.begin.position >= arrival.position)
        {
            return (flight.outcome.clone(), flight.begin);
        }
        let started = Instant::now();
        let caller = CallContext::current();
        let context = CallContext {
            deadline: caller.deadline.or(Some(started + UPSTREAM_CALL)),
            // Products are public.
            authorization: None,
            ..caller
        };
        let (cache, flight_key, response) = (self.clone(), key.clone(), call());
        let work = async move {
            let filled = response.await;
            cache.complete(&flight_key, depends_on_availability, begin, started, filled)
        };
        // A task of its own: others wait for it when its first caller is gone.
        let task = tokio::spawn(context.scope(work).in_current_span());
        let outcome =
            task.map(|joined| joined.unwrap_or_else(|error| Err(status::internal(error)))).boxed().shared();
        flights.insert(key.clone(), Flight { begin, started, outcome: outcome.clone() });
        (outcome, begin)
    }

    fn complete(
        &self,
        key: &Key,
        depends_on_availability: bool,
        begin: Begin,
        started: Instant,
        filled: Result<Filled, Status>,
    ) -> Result<Outcome<R>, Status> {
        let outcome = filled.map(|filled| {
            let outcome = self.outcome(filled);
            let mut state = self.lock();
            state.insert_products(&begin, &outcome.products);
            if let Key::Page(key) = key {
                let response = outcome.response.clone();
                state.insert_page(&begin, key, &outcome.products, response, depends_on_availability);
            }
            outcome
        });
        let mut flights = self.flights();
        if flights.get(key).is_some_and(|flight| flight.started == started) {
            flights.remove(key);
        }
        outcome
    }

    pub(super) fn outcome(&self, filled: Filled) -> Outcome<R> {
        let products = filled.products.into_iter().map(|mut product| {
            (self.0.trim)(&mut product);
            CachedProduct::new(product, filled.has_variants)
        });
        Outcome { products: products.collect(), response: Arc::new(filled.response) }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Flight<R>>> {
        self.0.flights.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a call until the deadline of the caller.
async fn wait<R>(outcome: SharedOutcome<R>) -> Result<Outcome<R>, Status> {
    match CallContext::current().deadline {
        Some(deadline) => timeout_at(deadline, outcome)
            .await
            .unwrap_or_else(|_| Err(deadline_exceeded("catalog timed out"))),
        None => outcome.await,
    }
}
