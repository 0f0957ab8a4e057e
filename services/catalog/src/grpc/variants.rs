//! The variants of products. Anyone can read, only admins and API keys with the scope `catalog:write` can write.

use bodega_proto::catalog::v1::{
    self as pb, ListVariantsRequest, ListVariantsResponse, PutVariantsRequest, PutVariantsResponse,
    UpdateVariantRequest, UpdateVariantResponse, variant_service_server::VariantService,
};
use bodega_runtime::{
    auth::{Caller, Scope},
    database::Pool,
    money::Currency,
};
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::{
    changes::Changes,
    variants::{self, Put, Variant},
};

/// Writes that may run at a time. Those of one product wait for each other: the others wait for a permit, in their order, instead of
/// keeping all connections.
const MAX_WRITES: usize = 2;

pub(crate) struct VariantApi {
    db: Pool,
    currency: Currency,
    changes: Changes,
    writes: Semaphore,
}

impl VariantApi {
    pub(crate) fn new(db: Pool, currency: Currency, changes: Changes) -> Self {
        Self { db, currency, changes, writes: Semaphore::new(MAX_WRITES) }
    }
}

#[tonic::async_trait]
impl VariantService for VariantApi {
    async fn list_variants(
        &self,
        request: Request<ListVariantsRequest>,
    ) -> Result<Response<ListVariantsResponse>, Status> {
        let (option_names, variants) = variants::list(&self.db, request.get_ref().product_id).await?;
        let variants = variants.into_iter().map(Into::into).collect();
        Ok(Response::new(ListVariantsResponse { option_names, variants }))
    }

    async fn put_variants(
        &self,
        request: Request<PutVariantsRequest>,
    ) -> Result<Response<PutVariantsResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let permit = self.writes.acquire().await;
        let Put { variants, product } =
            variants::put(&self.db, &caller, self.currency, request.into_inner()).await?;
        drop(permit);
        self.changes.deliver().await;
        let (variants, version) = (variants.into_iter().map(Into::into).collect(), product.version);
        Ok(Response::new(PutVariantsResponse { variants, version, product: Some(product.into()) }))
    }

    async fn update_variant(
        &self,
        request: Request<UpdateVariantRequest>,
    ) -> Result<Response<UpdateVariantResponse>, Status> {
        let caller = Caller::admin_or_key(&request, Scope::CatalogWrite)?;
        let permit = self.writes.acquire().await;
        let put = variants::update(&self.db, &caller, self.currency, request.into_inner()).await?;
        drop(permit);
        self.changes.deliver().await;
        Ok(Response::new(UpdateVariantResponse { product: Some(put.product.into()) }))
    }
}

impl From<Variant> for pb::Variant {
    fn from(variant: Variant) -> Self {
        Self {
            id: variant.id,
            product_id: variant.product_id,
            sku: variant.sku.unwrap_or_default(),
            barcode: variant.barcode.unwrap_or_default(),
            option_values: variant.option_values,
            price_minor: variant.price_minor,
            compare_at_minor: variant.compare_at_minor,
            stock: Some(variant.stock),
            weight_grams: variant.weight_grams,
            is_digital: !variant.requires_shipping,
            tax_class: variant.tax_class,
            image_id: variant.image_id.unwrap_or_default(),
        }
    }
}
