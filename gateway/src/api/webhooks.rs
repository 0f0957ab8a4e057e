//! What payment providers tell us, handed on as it came: the service that knows the secret judges it.

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

/// Bytes that an event may have.
pub(crate) const EVENT_LIMIT: usize = 1024 * 1024;

/// That an event is stored.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"received": true}))]
pub(crate) struct Received {
    /// Always true.
    received: bool,
}

/// What proves that Stripe sent an event, unread.
pub(crate) struct StripeSignature(String);

impl<S: Sync> FromRequestParts<S> for StripeSignature {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let signature = parts.headers.get("stripe-signature").and_then(|value| value.to_str().ok());
        match signature {
            Some(signature) if !signature.is_empty() => Ok(Self(signature.to_owned())),
            _ => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid_signature",
                "an event of Stripe comes with its signature, as Stripe-Signature",
            )),
        }
    }
}

/// Takes an event of Stripe: stores it by its id, and applies it once, however often it comes.
#[utoipa::path(
    post, path = "/api/webhooks/stripe", tag = "Orders",
    params(("stripe-signature" = String, Header, description = "When, and by whose secret, the body was signed.",
        example = "t=1795253400,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd")),
    request_body(content = serde_json::Value, content_type = "*/*",
        description = "The event, as Stripe has signed it: at most 1 MiB, byte for byte.",
        example = json!({"id": "evt_1PBodega", "type": "payment_intent.succeeded"})),
    responses(
        (status = OK, body = Received),
        (status = BAD_REQUEST, body = Problem,
            description = "Not signed by Stripe, or too long ago, or no event. Nothing of it is kept."),
        (status = NOT_FOUND, body = Problem, description = "This shop takes no cards."),
    )
)]
pub(crate) async fn stripe(
    State(app): State<App>,
    StripeSignature(signature): StripeSignature,
    Raw(payload): Raw,
) -> Result<Json<Received>, Problem> {
    let request =
        HandleWebhookEventRequest { provider: "stripe".to_owned(), payload: payload.into(), signature };
    app.payment_events().handle_webhook_event(request).await?;
    Ok(Json(Received { received: true }))
}
