//! The client of the catalog.

use std::collections::HashMap;

use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, Product, catalog_service_client::CatalogServiceClient,
};
use bodega_runtime::{context::CallContext, timeouts, transport::Transport};
use tokio::time::Instant;

use crate::error::Error;

/// Enough for 101 products of the maximum length.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

pub(crate) struct Catalog(CatalogServiceClient<Transport>);

impl Catalog {
    pub(crate) fn new(transport: Transport) -> Self {
        Self(CatalogServiceClient::new(transport).max_decoding_message_size(MAX_RESPONSE_BYTES))
    }

    /// Fetches those of `ids` that are missing in `products`, in one call. Makes no call if none is missing.
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
        let request = BatchGetProductsRequest { ids: ids.clone() };
        let mut catalog = self.0.clone();
        let found = with_timeout(catalog.batch_get_products(request)).await?.into_inner().products;
        products.0.extend(ids.into_iter().map(|id| (id, None)));
        products.0.extend(found.into_iter().map(|product| (product.id, Some(product))));
        Ok(())
    }
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
