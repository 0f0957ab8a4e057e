//! The products of the catalog, from a cache that follows its changes.

use std::collections::HashMap;

use bodega_proto::catalog::v1::Product;
use bodega_runtime::{context::CallContext, product_cache::ProductCache, timeouts, transport::Transport};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

#[derive(Clone)]
pub(crate) struct Catalog(ProductCache<(), ()>);

impl Catalog {
    pub(crate) fn new(transport: Transport, cache_bytes: usize) -> Self {
        Self(ProductCache::new("cart", transport, cache_bytes, trim))
    }

    /// Follows the changes of products until the shutdown.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        self.0.watch(shutdown).await;
    }

    /// Fetches those of `ids` that are missing in `products`: from the cache, or from the catalog in one call.
    ///
    /// # Errors
    /// When the catalog is unavailable or times out.
    pub(crate) async fn fetch_missing(
        &self,
        products: &mut Products,
        ids: impl Iterator<Item = i32>,
    ) -> Result<(), Error> {
        let ids: Vec<_> = ids.filter(|id| !products.0.contains_key(id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let found = with_timeout(self.0.batch_get(&ids)).await?;
        products.0.extend(ids.into_iter().map(|id| (id, found.get(&id).map(|product| product.to_product()))));
        Ok(())
    }
}

/// Removes what carts do not show, and quotes do not need.
fn trim(product: &mut Product) {
    product.description = String::new();
    if let Some(category) = &mut product.category {
        category.name = String::new();
    }
    product.tags = Vec::new();
    product.images.truncate(1);
    product.images.shrink_to_fit();
}

/// Limits a call to the caller's deadline and to [`timeouts::UPSTREAM_CALL`].
async fn with_timeout<F: Future>(call: F) -> F::Output {
    let mut context = CallContext::current();
    let limit = Instant::now() + timeouts::UPSTREAM_CALL;
    context.deadline = Some(context.deadline.map_or(limit, |deadline| limit.min(deadline)));
    context.scope(call).await
}

/// Products by id; `None` if the catalog does not have them.
#[derive(Default)]
pub(crate) struct Products(HashMap<i32, Option<Product>>);

impl Products {
    /// Returns a product, which may be archived.
    pub(crate) fn get(&self, id: i32) -> Option<&Product> {
        self.0.get(&id)?.as_ref()
    }
}

#[cfg(test)]
impl FromIterator<Product> for Products {
    fn from_iter<I: IntoIterator<Item = Product>>(products: I) -> Self {
        Self(products.into_iter().map(|product| (product.id, Some(product))).collect())
    }
}
