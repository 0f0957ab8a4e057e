//! What payment providers tell, as gRPC sees it.

use bodega_proto::order::v1::{
    TakeEventRequest, TakeEventResponse, payment_event_service_server::PaymentEventService,
};
use tonic::{Request, Response, Status};

use crate::{App, events};

/// The service, as gRPC sees it.
pub(crate) struct PaymentEvents(App);

impl PaymentEvents {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

#[tonic::async_trait]
impl PaymentEventService for PaymentEvents {
    async fn take_event(
        &self,
        request: Request<TakeEventRequest>,
    ) -> Result<Response<TakeEventResponse>, Status> {
        let TakeEventRequest { provider, payload, signature } = request.into_inner();
        events::take(&self.0, &provider, &payload, &signature).await?;
        Ok(Response::new(TakeEventResponse {}))
    }
}
