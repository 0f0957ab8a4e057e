//! The calls to cart and catalog. All may be repeated: what they change is told apart by the order's id.

use bodega_proto::{
    cart::v1::{
        ClearOrderedRequest, GetSnapshotRequest, GetSnapshotResponse, OrderedLine,
        checkout_service_client::CheckoutServiceClient,
    },
    catalog::v1::{
        ReleaseRequest, ReserveRequest, StockLine, reserve_response::Outcome,
        stock_service_client::StockServiceClient,
    },
};
use bodega_runtime::{context::CallContext, transport::Transport};
use tokio::time::Instant;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{bounds, order::Line};

/// The ways to the services that orders need.
#[derive(Clone)]
pub struct Neighbours {
    /// To the cart, for its snapshots.
    pub cart: Transport,
    /// To the catalog, for its stock.
    pub catalog: Transport,
}

impl Neighbours {
    /// What the user's cart holds.
    pub(crate) async fn cart_of(&self, user_id: Uuid) -> Result<GetSnapshotResponse, Status> {
        let request = GetSnapshotRequest { user_id: user_id.to_string() };
        let mut cart = CheckoutServiceClient::new(self.cart.clone());
        Ok(as_ourselves(cart.get_snapshot(request)).await?.into_inner())
    }

    /// Takes what was ordered out of the user's cart.
    pub(crate) async fn clear_cart(
        &self,
        order_id: Uuid,
        user_id: Uuid,
        lines: &[Line],
    ) -> Result<(), Status> {
        let lines =
            lines.iter().map(|line| OrderedLine { product_id: line.product_id, quantity: line.quantity });
        let request = ClearOrderedRequest {
            order_id: order_id.to_string(),
            user_id: user_id.to_string(),
            lines: lines.collect(),
        };
        let mut cart = CheckoutServiceClient::new(self.cart.clone());
        as_ourselves(cart.clear_ordered(request)).await.map(drop)
    }

    /// Takes stock for an order: all lines or none.
    pub(crate) async fn reserve(&self, order_id: Uuid, lines: &[Line]) -> Result<Outcome, Status> {
        let lines =
            lines.iter().map(|line| StockLine { product_id: line.product_id, quantity: line.quantity });
        let request = ReserveRequest { order_id: order_id.to_string(), lines: lines.collect() };
        let mut catalog = StockServiceClient::new(self.catalog.clone());
        let answer = as_ourselves(catalog.reserve(request)).await?.into_inner();
        answer.outcome.ok_or_else(|| Status::internal("a reservation without an outcome"))
    }

    /// Gives an order's stock back, and refuses it any from now on.
    pub(crate) async fn release(&self, order_id: Uuid) -> Result<(), Status> {
        let request = ReleaseRequest { order_id: order_id.to_string() };
        let mut catalog = StockServiceClient::new(self.catalog.clone());
        as_ourselves(catalog.release(request)).await.map(drop)
    }
}

/// What it means that a neighbour did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may do it another time.
    Outage,
    /// It will answer the same for ever.
    Rejection,
    /// Something is wrong with it, or between it and us: that may pass, or not.
    Fault,
}

impl Failure {
    /// What a neighbour's answer means.
    pub(crate) fn of(answer: &Status) -> Self {
        match answer.code() {
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

/// Calls without the shopper's token, which such calls do not need and which may expire before they are made; and for
/// up to [`bounds::CALL`], whatever time the client has left: what was begun is best ended.
async fn as_ourselves<F: Future>(call: F) -> F::Output {
    let mut context = CallContext::current();
    context.authorization = None;
    context.deadline = Some(Instant::now() + bounds::CALL);
    context.scope(call).await
}
