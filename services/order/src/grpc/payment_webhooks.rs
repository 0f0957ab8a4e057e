//! `PaymentWebhookService`.

use bodega_proto::order::v1::{
    HandleWebhookEventRequest, HandleWebhookEventResponse,
    payment_webhook_service_server::PaymentWebhookService,
};
use tonic::{Request, Response, Status};

use crate::{app::App, payments::apply};

pub(crate) struct PaymentWebhookApi(App);

impl PaymentWebhookApi {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

#[tonic::async_trait]
impl PaymentWebhookService for PaymentWebhookApi {
    async fn handle_webhook_event(
        &self,
        request: Request<HandleWebhookEventRequest>,
    ) -> Result<Response<HandleWebhookEventResponse>, Status> {
        let HandleWebhookEventRequest { provider, payload, signature } = request.into_inner();
        apply::handle_webhook_event(&self.0, &provider, &payload, &signature).await?;
        Ok(Response::new(HandleWebhookEventResponse {}))
    }
}
