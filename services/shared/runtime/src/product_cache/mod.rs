//! A cache of products that follows the catalog's stream of changes.
//!
//! What it returns is at most [`timeouts::MAX_STALENESS`] old: an entry is used only while the cache is *fresh*, that is
//! for [`timeouts::FRESHNESS`] after it sent a ping whose pong has arrived, by the clock of this process. Before
//! the pong the catalog sends all changes that were committed before the ping arrived. So a stream that is cut, frozen or
//! delayed makes the cache call the catalog, and never makes it return old data.
//!
//! [`state`] holds the entries and applies changes to them, [`fill`] reads missing ones, [`watch`] follows the stream.
//! Concurrent calls for the same entry share one call to the catalog. The weight of all entries is bounded; the least
//! recently used ones are removed.

mod entry;
mod fill;
mod log;
mod metrics;
mod state;
mod watch;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, GetProductRequest, ListProductsRequest, Product,
    catalog_service_client::CatalogServiceClient,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tonic::Status;

pub(crate) use self::metrics::describe as describe_metrics;
pub use self::{
    entry::{CachedProduct, Page},
    state::CachedPage,
};
use self::{
    fill::{Filled, Flights, Key},
    metrics::CacheMetrics,
    state::State,
};
use crate::{timeouts, transport::Transport};

/// Default of `BODEGA_CACHE_BYTES`, the weight of all caches of a process.
pub const DEFAULT_BYTES: usize = 64 * 1024 * 1024;
/// Enough for 200 products of the maximum length, or for 100 with the variants that a page may have.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// A cache of products and of pages of products. Cheap to clone. A product can be kept together with a rendering `R` of it,
/// a page with a rendering `P`.
pub struct ProductCache<R, P>(Arc<Inner<R, P>>);

impl<R, P> Clone for ProductCache<R, P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Inner<R, P> {
    transport: Transport,
    catalog: CatalogServiceClient<Transport>,
    /// Removes what the owner does not need from a product.
    trim: fn(&mut Product),
    state: Mutex<State<R, P>>,
    flights: Flights<R>,
    metrics: CacheMetrics,
    /// Whether the cache was read since the last ping was sent.
    was_read: AtomicBool,
    /// Notified by the first read after a ping.
    read: Notify,
    /// Notified when the freshness changes.
    confirmed: Notify,
}

impl<R, P> ProductCache<R, P>
where
    R: Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    /// Creates an empty cache, whose entries use about `max_bytes`, with `name` in the metrics. It calls the catalog at each read until
    /// [`watch`](Self::watch) runs. `trim` removes what the owner does not need from a product.
    pub fn new(name: &'static str, catalog: Transport, max_bytes: usize, trim: fn(&mut Product)) -> Self {
        let client = CatalogServiceClient::new(catalog.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES);
        let inner = Arc::new(Inner {
            transport: catalog,
            catalog: client,
            trim,
            state: Mutex::new(State::new(max_bytes)),
            flights: Flights::default(),
            metrics: CacheMetrics::new(name),
            was_read: AtomicBool::new(false),
            read: Notify::new(),
            confirmed: Notify::new(),
        });
        metrics::show(name, &inner);
        Self(inner)
    }

    /// Returns a product that is sold.
    ///
    /// # Errors
    /// Those of `GetProduct`.
    pub async fn get(&self, id: i32) -> Result<CachedProduct<R>, Status> {
        if let Some(product) = self.lookup(|state| state.product(id)).await {
            return Ok(product);
        }
        self.fill(Key::Product(id), false, || self.call_get(id)).await?.into_product()
    }

    /// Reads a product that is sold from the catalog, in the context of the caller.
    ///
    /// # Errors
    /// Those of `GetProduct`.
    pub async fn read(&self, id: i32) -> Result<CachedProduct<R>, Status> {
        self.outcome(self.call_get(id).await?).into_product()
    }

    /// Returns the products with these ids, archived ones included. Unknown ids are left out.
    ///
    /// # Errors
    /// Those of `BatchGetProducts`.
    pub async fn batch_get(&self, ids: &[i32]) -> Result<HashMap<i32, CachedProduct<R>>, Status> {
        let mut products = HashMap::with_capacity(ids.len());
        let cached = self.lookup(|state| {
            products.clear();
            products.extend(ids.iter().filter_map(|id| Some((*id, state.product(*id)?))));
            (!products.is_empty()).then_some(())
        });
        if cached.await.is_none() {
            products.clear();
        }
        let mut missing: Vec<_> = ids.iter().copied().filter(|id| !products.contains_key(id)).collect();
        if missing.is_empty() {
            return Ok(products);
        }
        missing.sort_unstable();
        missing.dedup();
        let call = || {
            let mut catalog = self.0.catalog.clone();
            let request = BatchGetProductsRequest { ids: missing.clone() };
            async move { Ok(Filled::products(catalog.batch_get_products(request).await?.into_inner().products)) }
        };
        let filled = self.fill(Key::Batch(missing.clone()), false, call).await?;
        products.extend(filled.products.into_iter().map(|product| (product.id(), product)));
        Ok(products)
    }

    /// Returns the page that was [read](Self::list) or [rendered](Self::set_rendered) under a key, if it is current.
    pub async fn page(&self, key: &str) -> Option<CachedPage<R, P>> {
        self.lookup(|state| state.page(key)).await
    }

    /// Reads a page of products, and keeps it under a key, which stands for the request.
    ///
    /// # Errors
    /// Those of `ListProducts`.
    pub async fn list(&self, key: &str, request: ListProductsRequest) -> Result<Page<R>, Status> {
        let depends_on_availability = request.in_stock.is_some();
        let call = || self.call_list(request.clone());
        Ok(self.fill(Key::Page(key.into()), depends_on_availability, call).await?.into_page())
    }

    /// Reads a page of products from the catalog, in the context of the caller.
    ///
    /// # Errors
    /// Those of `ListProducts`.
    pub async fn read_list(&self, request: ListProductsRequest) -> Result<Page<R>, Status> {
        Ok(self.outcome(self.call_list(request).await?).into_page())
    }

    /// Keeps the rendering of a page with its weight in bytes.
    pub fn set_rendered(&self, key: &str, page: &Page<R>, rendered: Arc<P>, weight: usize) {
        self.lock().set_rendered(key, page, rendered, weight);
    }

    /// Makes later reads return this version of a product, or a later one.
    pub fn raise_floor(&self, id: i32, version: i64) {
        self.lock().raise_floor(id, version);
    }

    /// Makes later reads of these products call the catalog.
    pub fn forget(&self, ids: impl IntoIterator<Item = i32>) {
        let mut state = self.lock();
        ids.into_iter().for_each(|id| state.raise_floor(id, i64::MAX));
    }

    /// Returns the weight of all entries in bytes.
    pub fn weight(&self) -> usize {
        self.lock().weight()
    }

    fn call_get(&self, id: i32) -> impl Future<Output = Result<Filled, Status>> + Send + use<R, P> {
        let mut catalog = self.0.catalog.clone();
        async move {
            let product = catalog.get_product(GetProductRequest { id }).await?.into_inner().product;
            Ok(Filled::products(product.into_iter().collect()))
        }
    }

    fn call_list(
        &self,
        request: ListProductsRequest,
    ) -> impl Future<Output = Result<Filled, Status>> + Send + use<R, P> {
        let mut catalog = self.0.catalog.clone();
        let has_variants = !request.omit_variants;
        async move { Ok(Filled::page(catalog.list_products(request).await?.into_inner(), has_variants)) }
    }

    /// Looks an entry up, and returns it only when the cache is fresh.
    async fn lookup<T>(&self, find: impl FnMut(&mut State<R, P>) -> Option<T>) -> Option<T> {
        let found = self.find_fresh(find).await;
        self.0.metrics.record(found.is_some());
        found
    }

    async fn find_fresh<T>(&self, mut find: impl FnMut(&mut State<R, P>) -> Option<T>) -> Option<T> {
        self.note_read();
        {
            let mut state = self.lock();
            let found = find(&mut state)?;
            if state.is_fresh(Instant::now()) {
                return Some(found);
            }
        }
        // What was found may be outdated. A later change is applied before the cache is fresh again.
        if !timeout(timeouts::CHANGE_WAIT, self.confirmed()).await.unwrap_or(false) {
            return None;
        }
        let mut state = self.lock();
        let found = find(&mut state)?;
        state.is_fresh(Instant::now()).then_some(found)
    }

    /// Waits until the cache is fresh. Returns `false` when it does not follow the stream.
    async fn confirmed(&self) -> bool {
        loop {
            // Enabled before the check: a change in between must not be missed.
            let mut confirmed = std::pin::pin!(self.0.confirmed.notified());
            confirmed.as_mut().enable();
            {
                let state = self.lock();
                if state.is_fresh(Instant::now()) || !state.is_following() {
                    return state.is_following();
                }
            }
            confirmed.await;
        }
    }

    /// Makes the watch send a ping, now or when the last one is old enough.
    fn note_read(&self) {
        if !self.0.was_read.load(Ordering::Relaxed) {
            self.0.was_read.store(true, Ordering::Relaxed);
            self.0.read.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R, P>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
