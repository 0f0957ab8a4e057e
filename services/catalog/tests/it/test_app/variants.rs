//! Calls of the service for variants.

use bodega_proto::catalog::v1::{
    ListVariantsRequest, Product, PutVariantsRequest, PutVariantsResponse, UpdateVariantRequest, Variant,
    variant_service_client::VariantServiceClient,
};
use bodega_runtime::{
    auth::{Caller, Role},
    transport::Transport,
};
use tonic::{Status, service::interceptor::InterceptedService};
use uuid::Uuid;

use super::{ActAs, TestApp};

impl TestApp {
    fn variant_service(
        &self,
        role: Option<Role>,
    ) -> VariantServiceClient<InterceptedService<Transport, ActAs>> {
        let caller = role.map(|role| Caller::new(Uuid::now_v7(), Uuid::now_v7(), role));
        let transport = Transport::unauthenticated(self.routes.clone()).streaming();
        VariantServiceClient::with_interceptor(transport, ActAs(caller))
    }

    pub(crate) async fn put_variants_as(
        &self,
        role: Option<Role>,
        request: PutVariantsRequest,
    ) -> Result<PutVariantsResponse, Status> {
        Ok(self.variant_service(role).put_variants(request).await?.into_inner())
    }

    pub(crate) async fn put_variants(
        &self,
        request: PutVariantsRequest,
    ) -> Result<PutVariantsResponse, Status> {
        self.put_variants_as(Some(Role::Admin), request).await
    }

    pub(crate) async fn update_variant(&self, request: UpdateVariantRequest) -> Result<Product, Status> {
        let response = self.variant_service(Some(Role::Admin)).update_variant(request).await?;
        Ok(response.into_inner().product.unwrap())
    }

    /// Returns the variants of a product, as anyone sees them.
    pub(crate) async fn variants(&self, product_id: i32) -> Result<Vec<Variant>, Status> {
        let response = self.variant_service(None).list_variants(ListVariantsRequest { product_id }).await?;
        Ok(response.into_inner().variants)
    }
}
