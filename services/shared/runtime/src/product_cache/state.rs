//! The entries of the cache, and how changes affect them.

use std::sync::Arc;

use bodega_proto::catalog::v1::{ListProductsResponse, ProductChange, WatchChangesResponse};
use hashlink::LruCache;
use tokio::time::Instant;

use super::{
    entry::{CachedProduct, Page},
    log::ChangeLog,
};

pub(super) struct State<R, P> {
    products: LruCache<i32, CachedProduct<R>>,
    pages: LruCache<Box<str>, PageEntry<P>>,
    products_weight: usize,
    pages_weight: usize,
    max_weight: usize,
    /// Whether each change since the oldest entry was read has been, or will be, received.
    is_following: bool,
    /// The cache is fresh before this time.
    fresh_until: Option<Instant>,
    epochs: Epochs,
    /// Number of changes of entries.
    generation: u64,
    log: ChangeLog,
}

/// Numbers of changes that affect many entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    everything: u64,
    lists: u64,
    availability: u64,
}

/// The state of the cache when a call begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub(super) epochs: Epochs,
    pub(super) position: u64,
}

struct PageEntry<P> {
    ids: Box<[i32]>,
    /// Whether the products have their variants.
    has_variants: bool,
    response: Arc<ListProductsResponse>,
    epochs: Epochs,
    depends_on_availability: bool,
    rendered: Option<Rendered<P>>,
    weight: usize,
}

struct Rendered<P> {
    page: Arc<P>,
    /// Of the products, in order.
    versions: Box<[i64]>,
    /// The generation at which the versions were compared last, if any.
    generation: Option<u64>,
    weight: usize,
}

/// A page of the cache.
#[derive(Debug)]
pub enum CachedPage<R, P> {
    /// The rendering of the page is current.
    Rendered(Arc<P>),
    /// The page has not been rendered since one of its products changed.
    Products(Page<R>),
}

impl<R, P> State<R, P> {
    pub(super) fn new(max_weight: usize) -> Self {
        Self {
            products: LruCache::new_unbounded(),
            pages: LruCache::new_unbounded(),
            products_weight: 0,
            pages_weight: 0,
            max_weight,
            is_following: false,
            fresh_until: None,
            epochs: Epochs::default(),
            generation: 0,
            log: ChangeLog::default(),
        }
    }

    pub(super) fn is_following(&self) -> bool {
        self.is_following
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.is_following && self.fresh_until.is_some_and(|until| now < until)
    }

    pub(super) fn weight(&self) -> usize {
        self.products_weight + self.pages_weight
    }

    /// Returns a product with its variants.
    pub(super) fn product(&mut self, id: i32) -> Option<CachedProduct<R>> {
        self.products.get(&id).filter(|product| product.has_variants()).cloned()
    }

    pub(super) fn page(&mut self, key: &str) -> Option<CachedPage<R, P>> {
        let entry = self.pages.get_mut(key)?;
        if !entry.is_current(self.epochs) {
            self.remove_page(key);
            return None;
        }
        let rendered = entry.rendered.as_mut();
        if let Some(rendered) = rendered.filter(|rendered| rendered.generation == Some(self.generation)) {
            return Some(CachedPage::Rendered(rendered.page.clone()));
        }
        let has_variants = entry.has_variants;
        let product =
            |id| self.products.get(id).filter(|product| product.has_variants() || !has_variants).cloned();
        let products: Option<Vec<_>> = entry.ids.iter().map(product).collect();
        let Some(products) = products else {
            self.remove_page(key);
            return None;
        };
        if let Some(rendered) = &mut entry.rendered
            && products.iter().map(CachedProduct::version).eq(rendered.versions.iter().copied())
        {
            rendered.generation = Some(self.generation);
            return Some(CachedPage::Rendered(rendered.page.clone()));
        }
        let response = entry.response.clone();
        Some(CachedPage::Products(Page { products, response, generation: Some(self.generation) }))
    }

    pub(super) fn set_rendered(&mut self, key: &str, page: &Page<R>, rendered: Arc<P>, weight: usize) {
        let Some(entry) = self.pages.get_mut(key) else { return };
        if !entry.ids.iter().copied().eq(page.products.iter().map(CachedProduct::id)) {
            return;
        }
        let versions: Box<_> = page.products.iter().map(CachedProduct::version).collect();
        let new = Rendered { page: rendered, versions, generation: page.generation, weight };
        let old = entry.rendered.replace(new).map_or(0, |old| old.weight);
        entry.weight = entry.weight + weight - old;
        self.pages_weight = self.pages_weight + weight - old;
        self.evict();
    }

    /// Returns the state with which a call begins.
    pub(super) fn begin(&self) -> Begin {
        Begin { epochs: self.epochs, position: self.log.end() }
    }

    /// Returns whether the result of a call that began at `begin` includes the changes up to `now`.
    pub(super) fn includes(&self, begin: &Begin, now: &Begin, products: &[CachedProduct<R>]) -> bool {
        let version = |id| products.iter().find(|product| product.id() == id).map(CachedProduct::version);
        begin.epochs == now.epochs && self.log.allows(begin.position, now.position, version)
    }

    /// Keeps the products of a call, unless they changed since it began.
    pub(super) fn insert_products(&mut self, begin: &Begin, products: &[CachedProduct<R>]) {
        if !self.is_following || begin.epochs.everything != self.epochs.everything {
            return;
        }
        let now = self.log.end();
        for product in products {
            let version = |id| (product.id() == id).then(|| product.version());
            // One with its variants replaces one without them of the same version.
            let order = |product: &CachedProduct<R>| (product.version(), product.has_variants());
            let cached = self.products.peek(&product.id()).map(order);
            let is_newer = cached.is_none_or(|cached| cached < order(product));
            if is_newer && self.log.allows(begin.position, now, version) {
                self.remove_product(product.id());
                self.products_weight += product.weight();
                self.products.insert(product.id(), product.clone());
                self.generation += 1;
            }
        }
        self.evict();
    }

    /// Keeps a page whose products were inserted, unless lists changed since the call began.
    pub(super) fn insert_page(
        &mut self,
        begin: &Begin,
        key: &str,
        products: &[CachedProduct<R>],
        response: Arc<ListProductsResponse>,
        depends_on_availability: bool,
    ) {
        /// An entry of the map and the list of the cache, reference counts, headers.
        const ENTRY: usize = 512;
        let ids: Box<_> = products.iter().map(CachedProduct::id).collect();
        let weight = ENTRY + 2 * key.len() + size_of_val(&*ids) * 4 + response.next_cursor.len();
        let epochs = begin.epochs;
        let has_variants = products.iter().all(CachedProduct::has_variants);
        let entry = PageEntry {
            ids,
            has_variants,
            response,
            epochs,
            depends_on_availability,
            rendered: None,
            weight,
        };
        if self.is_following && entry.is_current(self.epochs) {
            self.remove_page(key);
            self.pages_weight += weight;
            self.pages.insert(key.into(), entry);
            self.evict();
        }
    }

    /// Applies changes that the catalog sent.
    pub(super) fn apply(&mut self, response: &WatchChangesResponse) {
        if response.everything_changed {
            self.clear();
            return;
        }
        if response.lists_changed {
            self.epochs.lists += 1;
            self.pages.clear();
            self.pages_weight = 0;
        }
        self.epochs.availability += u64::from(response.availability_changed);
        for change in &response.products {
            self.apply_to_product(change);
        }
    }

    fn apply_to_product(&mut self, change: &ProductChange) {
        self.log.push(change.product_id, change.version);
        let Some(entry) = self.products.peek_mut(&change.product_id) else { return };
        if entry.version() >= change.version {
            return;
        }
        self.generation += 1;
        match entry.after(change) {
            Some(changed) => *entry = changed,
            None => self.remove_product(change.product_id),
        }
    }

    /// Removes a product if it is older than a version, also when it is being read.
    pub(super) fn raise_floor(&mut self, id: i32, version: i64) {
        self.log.push(id, version);
        if self.products.peek(&id).is_some_and(|entry| entry.version() < version) {
            self.generation += 1;
            self.remove_product(id);
        }
    }

    /// Begins to follow a stream. Entries from before it may have missed changes.
    pub(super) fn start_following(&mut self) {
        self.clear();
        self.is_following = true;
    }

    pub(super) fn stop_following(&mut self) {
        self.clear();
        self.is_following = false;
        self.fresh_until = None;
    }

    pub(super) fn set_fresh_until(&mut self, until: Instant) {
        self.fresh_until = self.fresh_until.max(Some(until));
    }

    fn clear(&mut self) {
        self.epochs.everything += 1;
        self.generation += 1;
        self.products = LruCache::new_unbounded();
        self.pages = LruCache::new_unbounded();
        self.products_weight = 0;
        self.pages_weight = 0;
    }

    fn remove_product(&mut self, id: i32) {
        if let Some(removed) = self.products.remove(&id) {
            self.products_weight -= removed.weight();
        }
    }

    fn remove_page(&mut self, key: &str) {
        if let Some(removed) = self.pages.remove(key) {
            self.pages_weight -= removed.weight;
        }
    }

    /// Removes the least recently used entries. Pages may have half of the weight, if products need the other half.
    fn evict(&mut self) {
        while self.weight() > self.max_weight {
            if self.pages_weight > self.max_weight / 2 || self.products.is_empty() {
                let Some((_, page)) = self.pages.remove_lru() else { return };
                self.pages_weight -= page.weight;
            } else if let Some((_, product)) = self.products.remove_lru() {
                self.products_weight -= product.weight();
                // A page that has the product is rendered again, or read again.
                self.generation += 1;
            }
        }
    }
}

impl<P> PageEntry<P> {
    fn is_current(&self, epochs: Epochs) -> bool {
        let depends_on = |epochs: Epochs| Epochs {
            availability: if self.depends_on_availability { epochs.availability } else { 0 },
            ..epochs
        };
        depends_on(self.epochs) == depends_on(epochs)
    }
}
