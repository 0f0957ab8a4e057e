//! The gRPC services: each method decodes its request, calls a use case and encodes the result.

use bodega_proto::cart::v1::{
    AddItemRequest, AddItemResponse, ClearCartRequest, ClearCartResponse, ClearOrderedRequest,
    ClearOrderedResponse, GetCartRequest, GetCartResponse, GetPricedSnapshotRequest,
    GetPricedSnapshotResponse, GetSnapshotRequest, GetSnapshotResponse, MergeGuestCartRequest,
    MergeGuestCartResponse, RemoveItemRequest, RemoveItemResponse, SetItemRequest, SetItemResponse,
    cart_service_server::CartService, checkout_service_server::CheckoutService,
};
use bodega_runtime::{
    auth::Caller, database::Pool, guest_token::GuestToken, rate_limit::RateLimiter, status,
};
use tonic::{Request, Response, Status};

use crate::{
    actions::CartActions,
    catalog::Catalog,
    checkout::{Checkout, parse_ordered},
    choice::Item,
    error::Error,
    merge,
    owner::Owner,
};

/// The gRPC service for users and guests.
pub(crate) struct CartApi {
    db: Pool,
    actions: CartActions,
}

impl CartApi {
    pub(crate) fn new(db: Pool, catalog: Catalog, rate_limiter: RateLimiter) -> Self {
        Self { actions: CartActions::new(db.clone(), catalog, rate_limiter), db }
    }
}

#[tonic::async_trait]
impl CartService for CartApi {
    async fn get_cart(&self, request: Request<GetCartRequest>) -> Result<Response<GetCartResponse>, Status> {
        let owner = owner(&request, &request.get_ref().guest_token)?;
        let cart = self.actions.get(owner.as_ref()).await?;
        Ok(Response::new(GetCartResponse { cart: Some(cart) }))
    }

    async fn add_item(&self, request: Request<AddItemRequest>) -> Result<Response<AddItemResponse>, Status> {
        let owner = owner(&request, &request.get_ref().guest_token)?;
        let AddItemRequest { product_id, variant_id, quantity, .. } = request.into_inner();
        let item = Item { product_id, variant_id };
        let (cart, token) = self.actions.add(owner.as_ref(), item, quantity).await?;
        let guest_token = token.map(|token| token.encode()).unwrap_or_default();
        Ok(Response::new(AddItemResponse { cart: Some(cart), guest_token }))
    }

    async fn set_item(&self, request: Request<SetItemRequest>) -> Result<Response<SetItemResponse>, Status> {
        let owner = owner(&request, &request.get_ref().guest_token)?;
        let SetItemRequest { product_id, quantity, .. } = request.into_inner();
        let cart = self.actions.set(owner.as_ref(), product_id, quantity).await?;
        Ok(Response::new(SetItemResponse { cart: Some(cart) }))
    }

    async fn remove_item(
        &self,
        request: Request<RemoveItemRequest>,
    ) -> Result<Response<RemoveItemResponse>, Status> {
        let owner = owner(&request, &request.get_ref().guest_token)?;
        let cart = self.actions.remove(owner.as_ref(), request.get_ref().product_id).await?;
        Ok(Response::new(RemoveItemResponse { cart: Some(cart) }))
    }

    async fn clear_cart(
        &self,
        request: Request<ClearCartRequest>,
    ) -> Result<Response<ClearCartResponse>, Status> {
        let owner = owner(&request, &request.get_ref().guest_token)?;
        let cart = self.actions.clear(owner.as_ref()).await?;
        Ok(Response::new(ClearCartResponse { cart: Some(cart) }))
    }

    async fn merge_guest_cart(
        &self,
        request: Request<MergeGuestCartRequest>,
    ) -> Result<Response<MergeGuestCartResponse>, Status> {
        let caller = Caller::of(&request)?;
        // A malformed token is treated like an expired one.
        if let Some(guest) = GuestToken::parse(&request.get_ref().guest_token) {
            merge::merge_guest_cart(&self.db, guest.hash(), caller.user_id).await?;
        }
        Ok(Response::new(MergeGuestCartResponse {}))
    }
}

fn owner<T>(request: &Request<T>, guest_token: &str) -> Result<Option<Owner>, Status> {
    Ok(Owner::of(Caller::user_or_guest(request)?, guest_token)?)
}

/// The gRPC service for the order service.
pub(crate) struct CheckoutApi {
    checkout: Checkout,
}

impl CheckoutApi {
    pub(crate) fn new(db: Pool, catalog: Catalog) -> Self {
        Self { checkout: Checkout::new(db, catalog) }
    }
}

#[tonic::async_trait]
impl CheckoutService for CheckoutApi {
    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let user_id = status::parse_uuid("user_id", &request.get_ref().user_id)?;
        Ok(Response::new(self.checkout.snapshot(user_id).await?))
    }

    async fn get_priced_snapshot(
        &self,
        request: Request<GetPricedSnapshotRequest>,
    ) -> Result<Response<GetPricedSnapshotResponse>, Status> {
        let user_id = status::parse_uuid("user_id", &request.get_ref().user_id)?;
        Ok(Response::new(self.checkout.priced_snapshot(user_id).await?))
    }

    async fn clear_ordered(
        &self,
        request: Request<ClearOrderedRequest>,
    ) -> Result<Response<ClearOrderedResponse>, Status> {
        let ordered = parse_ordered(request.get_ref()).map_err(Error::from)?;
        self.checkout.clear_ordered(ordered).await?;
        Ok(Response::new(ClearOrderedResponse {}))
    }
}
