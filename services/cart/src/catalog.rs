//! The products of the catalog, from a cache that follows its changes.

use std::collections::HashMap;

use bodega_proto::catalog::v1::{
    ListVariantsRequest, Product, Variant, variant_service_client::VariantServiceClient,
};
use bodega_runtime::{context::CallContext, product_cache::ProductCache, timeouts, transport::Transport};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::error::Error;

#[derive(Clone)]
pub(crate) struct Catalog {
    /// By the ids of variants.
    products: ProductCache<(), ()>,
    variants: VariantServiceClient<Transport>,
}

impl Catalog {
    pub(crate) fn new(transport: Transport, cache_bytes: usize) -> Self {
        let variants = VariantServiceClient::new(transport.clone());
        Self { products: ProductCache::new("cart", transport, cache_bytes, trim), variants }
    }

    /// Follows the changes of products until the shutdown.
    pub(crate) async fn watch(self, shutdown: CancellationToken) {
        self.products.watch(shutdown).await;
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
        let found = with_timeout(self.products.batch_get(&ids)).await?;
        products.0.extend(ids.into_iter().map(|id| (id, found.get(&id).map(|product| product.to_product()))));
        Ok(())
    }

    /// Returns the variants of a product that can be ordered.
    ///
    /// # Errors
    /// [`Error::ProductNotFound`]; when the catalog is unavailable or times out.
    pub(crate) async fn variants(&self, product_id: i32) -> Result<Vec<Variant>, Error> {
        let mut catalog = self.variants.clone();
        let response = with_timeout(catalog.list_variants(ListVariantsRequest { product_id })).await;
        match response {
            Ok(response) => Ok(response.into_inner().variants),
            Err(status) if status.code() == Code::NotFound => Err(Error::ProductNotFound),
            Err(status) => Err(status.into()),
        }
    }
}

/// Removes what carts do not show, and quotes do not need.
fn trim(product: &mut Product) {
    product.description = String::new();
    if let Some(category) = &mut product.category {
        category.name = String::new();
    }
    product.tags = Vec::new();
    let own_image = product.variants.first().map(|variant| variant.image_id);
    if let Some(position) = product.images.iter().position(|image| Some(image.id) == own_image) {
        product.images.swap(0, position);
    }
    product.images.truncate(1);
    product.images.shrink_to_fit();
}

/// Returns the id of the product of a variant.
pub(crate) fn product_id(variant: &Product) -> i32 {
    variant.variants.first().map_or(variant.id, |details| details.product_id)
}

/// Limits a call to the caller's deadline and to [`timeouts::UPSTREAM_CALL`].
async fn with_timeout<F: Future>(call: F) -> F::Output {
    let mut context = CallContext::current();
    let limit = Instant::now() + timeouts::UPSTREAM_CALL;
    context.deadline = Some(context.deadline.map_or(limit, |deadline| limit.min(deadline)));
    context.scope(call).await
}

/// Variants by id, each with its price and stock; `None` if the catalog does not have them.
#[derive(Default)]
pub(crate) struct Products(HashMap<i32, Option<Product>>);

impl Products {
    /// Returns a variant, which may be archived.
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
