//! What the catalog says of the products in a cart, in one call for all of them.

use std::collections::HashMap;

use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, Product, catalog_service_client::CatalogServiceClient,
};
use bodega_runtime::{context::CallContext, timeouts, transport::Transport};
use tokio::time::Instant;

use crate::error::Error;

/// The answer carries whole products: a hundred and one of them at their longest must fit.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The way to the catalog.
pub(crate) struct Catalog(CatalogServiceClient<Transport>);

impl Catalog {
    /// The catalog at the other end of `transport`.
    pub(crate) fn new(transport: Transport) -> Self {
        Self(CatalogServiceClient::new(transport).max_decoding_message_size(MAX_ANSWER_BYTES))
    }

    /// Asks for those of `ids` that `products` was not asked for yet; makes no call when there are none.
    ///
    /// # Errors
    /// The catalog's own, when it cannot be reached or takes too long.
    pub(crate) async fn complete(
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
        let found = in_time(catalog.batch_get_products(request)).await?.into_inner().products;
        products.0.extend(ids.into_iter().map(|id| (id, None)));
        products.0.extend(found.into_iter().map(|product| (product.id, Some(product))));
        Ok(())
    }
}

/// Makes a call in the time that its caller's has left, and within [`timeouts::UPSTREAM_CALL`].
async fn in_time<F: Future>(call: F) -> F::Output {
    let mut context = CallContext::current();
    let bound = Instant::now() + timeouts::UPSTREAM_CALL;
    context.deadline = Some(context.deadline.map_or(bound, |deadline| bound.min(deadline)));
    context.scope(call).await
}

/// Products that the catalog was asked for; `None` for those it does not know.
#[derive(Default)]
pub(crate) struct Products(HashMap<i32, Option<Product>>);

impl Products {
    /// A product, if the catalog knows it. It may be archived.
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
