//! What payment providers tell, as gRPC sees it.

use bodega_proto::order::v1::{
    HandleWebhookEventRequest, HandleWebhookEventResponse,
    payment_webhook_service_server::PaymentWebhookService,
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
impl PaymentWebhookService for PaymentEvents {
    async fn handle_webhook_event(
        &self,
        request: Request<HandleWebhookEventRequest>,
    ) -> Result<Response<HandleWebhookEventResponse>, Status> {
        let HandleWebhookEventRequest { provider, payload, signature } = request.into_inner();
        events::take(&self.0, &provider, &payload, &signature).await?;
        Ok(Response::new(HandleWebhookEventResponse {}))
    }
}
