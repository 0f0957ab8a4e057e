//! `/api/webhooks`: events of payment providers, forwarded unread to the order service, which verifies them.

use axum::{
    extract::{FromRequestParts, State},
    http::request::Parts,
};
use bodega_proto::order::v1::HandleWebhookEventRequest;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, Raw},
    problem::Problem,
};

/// Maximum size of an event in bytes.
pub(crate) const EVENT_LIMIT: usize = 1024 * 1024;

/// Confirms that an event is stored.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"received": true}))]
pub(crate) struct WebhookReceipt {
    /// Always `true`.
    received: bool,
}

/// The `Stripe-Signature` header, unverified.
pub(crate) struct StripeSignature(String);

impl<S: Sync> FromRequestParts<S> for StripeSignature {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let signature = parts.headers.get("stripe-signature").and_then(|value| value.to_str().ok());
        match signature {
            Some(signature) if !signature.is_empty() => Ok(Self(signature.to_owned())),
            _ => {
                let detail = "the Stripe-Signature header is required";
                Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_signature", detail))
            }
        }
    }
}

/// Receives an event of Stripe.
///
/// Called by Stripe, not by clients: the event must be signed with the webhook secret. The event is stored before it is
/// acknowledged and is applied once, however often Stripe delivers it.
#[utoipa::path(
    post, path = "/api/webhooks/stripe", tag = "Orders",
    params(("stripe-signature" = String, Header, description = "Timestamp and signatures of the body.",
        example = "t=1795253400,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd")),
    request_body(content = serde_json::Value, content_type = "*/*",
        description = "The event exactly as Stripe signed it, at most 1 MiB.",
        example = json!({"id": "evt_1PBodega", "type": "payment_intent.succeeded"})),
    responses(
        (status = OK, description = "The event is stored.", body = WebhookReceipt),
        (status = BAD_REQUEST, description = "The signature is missing, wrong or too old (`invalid_signature`), or the \
            body is not an event (`invalid_event`). Nothing is stored."),
        (status = NOT_FOUND, description = "Stripe is not configured (`provider_not_configured`)."),
    )
)]
pub(crate) async fn stripe(
    State(app): State<App>,
    StripeSignature(signature): StripeSignature,
    Raw(payload): Raw,
) -> Result<Json<WebhookReceipt>, Problem> {
    let request =
        HandleWebhookEventRequest { provider: "stripe".to_owned(), payload: payload.into(), signature };
    app.payment_events().handle_webhook_event(request).await?;
    Ok(Json(WebhookReceipt { received: true }))
}
