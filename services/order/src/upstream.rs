//! Calls to cart, catalog and identity. All of them can be repeated: those that change data carry the order's id as their idempotency
//! key.

use bodega_proto::{
    cart::v1::{
        ClearOrderedRequest, GetPricedSnapshotRequest, GetPricedSnapshotResponse, GetSnapshotRequest,
        GetSnapshotResponse, OrderedLine, checkout_service_client::CheckoutServiceClient,
    },
    catalog::v1::{
        ReleaseRequest, ReserveRequest, ReturnUnitsRequest, StockLine, reserve_response::Outcome,
        stock_service_client::StockServiceClient,
    },
    identity::v1::{
        BatchGetDeletedUsersRequest, Contact, GetContactsRequest,
        contact_service_client::ContactServiceClient, erasure_service_client::ErasureServiceClient,
    },
};
use bodega_runtime::{
    context::CallContext, status::parse_uuid, timeouts::UPSTREAM_CALL, transport::Transport,
};
use tokio::time::Instant;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{checkout::pricing::Line, payments::db::due_refunds::ReturnedUnits};

/// Transports to the services that the order service calls.
#[derive(Clone)]
pub struct Upstreams {
    /// The cart service.
    pub cart: Transport,
    /// The catalog service.
    pub catalog: Transport,
    /// The identity service.
    pub identity: Transport,
}

impl Upstreams {
    /// Returns names and addresses of users; those that were deleted are left out.
    pub(crate) async fn contacts(&self, user_ids: &[Uuid]) -> Result<Vec<Contact>, Status> {
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let request = GetContactsRequest { user_ids: user_ids.iter().map(Uuid::to_string).collect() };
        let mut identity = ContactServiceClient::new(self.identity.clone());
        Ok(with_service_identity(identity.get_contacts(request)).await?.into_inner().contacts)
    }

    /// Returns those of the users that were deleted.
    pub(crate) async fn deleted_users(&self, user_ids: &[Uuid]) -> Result<Vec<Uuid>, Status> {
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let request =
            BatchGetDeletedUsersRequest { user_ids: user_ids.iter().map(Uuid::to_string).collect() };
        let mut identity = ErasureServiceClient::new(self.identity.clone());
        let deleted = with_service_identity(identity.batch_get_deleted_users(request)).await?.into_inner();
        deleted.user_ids.iter().map(|id| parse_uuid("user_ids", id)).collect()
    }

    /// Returns the lines and the version of the cart of a user or guest.
    pub(crate) async fn cart_snapshot(&self, cart_owner: Uuid) -> Result<GetSnapshotResponse, Status> {
        let request = GetSnapshotRequest { user_id: cart_owner.to_string() };
        let mut cart = CheckoutServiceClient::new(self.cart.clone());
        Ok(with_service_identity(cart.get_snapshot(request)).await?.into_inner())
    }

    /// Returns the lines of the cart of a user or guest with current products.
    pub(crate) async fn priced_cart(&self, cart_owner: Uuid) -> Result<GetPricedSnapshotResponse, Status> {
        let request = GetPricedSnapshotRequest { user_id: cart_owner.to_string() };
        let mut cart = CheckoutServiceClient::new(self.cart.clone());
        Ok(with_service_identity(cart.get_priced_snapshot(request)).await?.into_inner())
    }

    /// Removes the lines of an order from the cart of a user or guest.
    pub(crate) async fn clear_ordered(
        &self,
        order_id: Uuid,
        cart_owner: Uuid,
        lines: &[Line],
    ) -> Result<(), Status> {
        let lines =
            lines.iter().map(|line| OrderedLine { product_id: line.product_id, quantity: line.quantity });
        let request = ClearOrderedRequest {
            order_id: order_id.to_string(),
            user_id: cart_owner.to_string(),
            lines: lines.collect(),
        };
        let mut cart = CheckoutServiceClient::new(self.cart.clone());
        with_service_identity(cart.clear_ordered(request)).await.map(drop)
    }

    /// Reserves stock for an order: all lines or none.
    pub(crate) async fn reserve(&self, order_id: Uuid, lines: &[Line]) -> Result<Outcome, Status> {
        let lines =
            lines.iter().map(|line| StockLine { product_id: line.product_id, quantity: line.quantity });
        let request = ReserveRequest { order_id: order_id.to_string(), lines: lines.collect() };
        let mut catalog = StockServiceClient::new(self.catalog.clone());
        let response = with_service_identity(catalog.reserve(request)).await?.into_inner();
        response.outcome.ok_or_else(|| Status::internal("reservation without an outcome"))
    }

    /// Releases an order's stock. The catalog rejects later reservations for the same order.
    pub(crate) async fn release(&self, order_id: Uuid) -> Result<(), Status> {
        let request = ReleaseRequest { order_id: order_id.to_string() };
        let mut catalog = StockServiceClient::new(self.catalog.clone());
        with_service_identity(catalog.release(request)).await.map(drop)
    }

    /// Records that units of an order were returned by a refund, once.
    pub(crate) async fn return_units(
        &self,
        refund_id: Uuid,
        order_id: Uuid,
        units: &ReturnedUnits,
    ) -> Result<(), Status> {
        let lines = units.product_ids.iter().zip(&units.quantities);
        let lines =
            lines.map(|(product_id, quantity)| StockLine { product_id: *product_id, quantity: *quantity });
        let request = ReturnUnitsRequest {
            return_id: refund_id.to_string(),
            order_id: order_id.to_string(),
            lines: lines.collect(),
            restock: units.restock,
        };
        let mut catalog = StockServiceClient::new(self.catalog.clone());
        with_service_identity(catalog.return_units(request)).await.map(drop)
    }
}

/// Whether a failed call is worth a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The upstream is unavailable: a retry will succeed once it is back.
    Outage,
    /// The upstream rejected the request: a retry returns the same.
    Rejection,
    /// An unexpected error of the upstream or the connection: a retry may succeed.
    Fault,
}

impl Failure {
    pub(crate) fn of(status: &Status) -> Self {
        match status.code() {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Cancelled
            | Code::Aborted => Self::Outage,
            Code::InvalidArgument
            | Code::OutOfRange
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition => Self::Rejection,
            Code::Ok
            | Code::Unknown
            | Code::Internal
            | Code::DataLoss
            | Code::Unimplemented
            | Code::PermissionDenied
            | Code::Unauthenticated => Self::Fault,
        }
    }
}

/// Makes a call without the user's access token, which may expire before it is made, and with up to [`UPSTREAM_CALL`],
/// however little time the client has left: work that was started should be completed.
async fn with_service_identity<F: Future>(call: F) -> F::Output {
    let mut context = CallContext::current();
    context.authorization = None;
    context.deadline = Some(Instant::now() + UPSTREAM_CALL);
    context.scope(call).await
}
