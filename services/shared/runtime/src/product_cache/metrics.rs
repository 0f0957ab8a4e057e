//! Metrics of the caches.

use std::sync::{Arc, PoisonError};

use ::metrics::{Counter, counter, describe_counter, describe_gauge, gauge};

use super::Inner;
use crate::metrics::on_scrape;

pub(crate) fn describe() {
    describe_counter!(
        "product_cache_reads_total",
        "Reads of a cache of products, by cache and outcome: a hit, or a miss that calls the catalog."
    );
    describe_gauge!(
        "product_cache_following",
        "1 while a cache follows the catalog's changes. Otherwise all of its reads call the catalog."
    );
    describe_gauge!("product_cache_bytes", "Approximate size of the entries of a cache.");
}

/// What happens in a cache.
pub(super) struct CacheMetrics {
    hits: Counter,
    misses: Counter,
}

impl CacheMetrics {
    pub(super) fn new(cache: &'static str) -> Self {
        let reads = |outcome| counter!("product_cache_reads_total", "cache" => cache, "outcome" => outcome);
        Self { hits: reads("hit"), misses: reads("miss") }
    }

    pub(super) fn record(&self, is_hit: bool) {
        if is_hit { &self.hits } else { &self.misses }.increment(1);
    }
}

/// Shows the state of a cache at each scrape.
pub(super) fn show<R, P>(cache: &'static str, inner: &Arc<Inner<R, P>>)
where
    R: Send + Sync + 'static,
    P: Send + Sync + 'static,
{
    let following = gauge!("product_cache_following", "cache" => cache);
    let bytes = gauge!("product_cache_bytes", "cache" => cache);
    on_scrape(inner, move |inner| {
        let state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        following.set(f64::from(u8::from(state.is_following())));
        bytes.set(f64::from(u32::try_from(state.weight()).unwrap_or(u32::MAX)));
    });
}
