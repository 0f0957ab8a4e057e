//! Stripe's errors, and the [`ProviderError`] of each.

use reqwest::{StatusCode, header::HeaderMap};
use serde::Deserialize;
use tracing::{error, warn};

use super::objects;
use crate::payments::provider::ProviderError;

/// Maximum length of a message for clients, in characters.
const MAX_MESSAGE_LENGTH: usize = 200;

pub(super) enum CallError {
    /// There is no valid response. Stripe may have executed the call.
    NoResponse(String),
    Api(ApiError),
}

/// An error response: <https://docs.stripe.com/api/errors>
pub(super) struct ApiError {
    status: StatusCode,
    /// Whether Stripe has repeated the response to an earlier call with the same idempotency key.
    is_replay: bool,
    /// Stripe's id of the request, by which its dashboard finds it.
    request_id: String,
    kind: String,
    code: Option<String>,
    message: Option<String>,
}

impl ApiError {
    /// Parses an error response. If the body is not Stripe's, but a proxy's for instance, only the status is known.
    pub(super) fn parse(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        struct Body {
            error: Details,
        }
        #[derive(Default, Deserialize)]
        struct Details {
            r#type: Option<String>,
            code: Option<String>,
            message: Option<String>,
        }
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Body { error: Details { r#type, code, message } } = objects::parse(body).unwrap_or_default();
        Self {
            status,
            is_replay: header("idempotent-replayed") == "true",
            request_id: header("request-id").to_owned(),
            kind: r#type.unwrap_or_default(),
            code,
            message,
        }
    }

    /// Returns whether the call conflicts with another one for the same object or key, or calls are rate limited.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
    }

    pub(super) fn is_bad_request(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST
    }

    /// <https://docs.stripe.com/error-codes>
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Returns a message for the client: Stripe's own if it is about the amount or the card. Other messages are about
    /// the request or the account, and not for clients.
    fn client_message(&self) -> String {
        let code = self.code.as_deref().unwrap_or("no error code");
        let concerns_clients = self.kind == "card_error" || code.starts_with("amount_too_");
        match &self.message {
            Some(message) if concerns_clients => message.chars().take(MAX_MESSAGE_LENGTH).collect(),
            _ => format!("the payment provider rejected the request ({code})"),
        }
    }
}

impl From<ApiError> for ProviderError {
    fn from(error: ApiError) -> Self {
        let ApiError { status, is_replay, request_id, kind, code, .. } = &error;
        let code = code.as_deref().unwrap_or("-");
        let summary = format!("status {} ({kind}, {code}, request {request_id})", status.as_u16());
        match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                error!("Stripe rejected STRIPE_SECRET_KEY: {summary}");
                Self::Unavailable(summary)
            }
            _ if kind == "idempotency_error" && !error.is_transient() => Self::KeyUnusable(summary),
            _ if error.is_transient() => Self::Unavailable(summary),
            StatusCode::REQUEST_TIMEOUT | StatusCode::FAILED_DEPENDENCY => Self::Unavailable(summary),
            _ if error.has_code("resource_missing") => {
                warn!("Stripe does not know an object: {summary}");
                Self::NotFound(summary)
            }
            // Of a proxy: Stripe may have executed the call, or an earlier one with this key.
            status if status.is_client_error() && kind.is_empty() => Self::Unavailable(summary),
            status if status.is_client_error() => {
                warn!("Stripe rejected a call: {summary}");
                Self::Rejected(error.client_message())
            }
            _ if *is_replay => Self::KeyUnusable(summary),
            _ => Self::Unavailable(summary),
        }
    }
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NoResponse(error) => Self::Unavailable(error),
            CallError::Api(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn failure(status: u16, replayed: &str, error: Value) -> ProviderError {
        let mut headers = HeaderMap::new();
        headers.insert("request-id", "req_1".parse().unwrap());
        headers.insert("idempotent-replayed", replayed.parse().unwrap());
        let body = json!({ "error": error }).to_string();
        ApiError::parse(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes()).into()
    }

    #[test]
    fn every_api_error_is_mapped() {
        let of_type = |kind: &str, code: &str| json!({"type": kind, "code": code, "message": "m"});
        for (status, replayed, error, expected) in [
            (500, "false", of_type("api_error", ""), "unavailable"),
            (502, "", json!(null), "unavailable"),
            (503, "true", of_type("api_error", ""), "key_unusable"),
            (500, "true", of_type("api_error", ""), "key_unusable"),
            (409, "", of_type("idempotency_error", "idempotency_key_in_use"), "unavailable"),
            (409, "", of_type("invalid_request_error", "idempotency_key_in_use"), "unavailable"),
            (400, "", of_type("idempotency_error", ""), "key_unusable"),
            (429, "", of_type("invalid_request_error", "lock_timeout"), "unavailable"),
            (429, "", of_type("invalid_request_error", "rate_limit"), "unavailable"),
            (424, "", of_type("api_error", ""), "unavailable"),
            (401, "", of_type("invalid_request_error", ""), "unavailable"),
            (403, "", of_type("invalid_request_error", ""), "unavailable"),
            (400, "", of_type("invalid_request_error", "amount_too_small"), "rejected"),
            (400, "true", of_type("invalid_request_error", "amount_too_small"), "rejected"),
            (402, "", of_type("card_error", "card_declined"), "rejected"),
            (404, "", of_type("invalid_request_error", "resource_missing"), "not_found"),
            (404, "", json!(null), "unavailable"),
            (404, "true", json!(null), "unavailable"),
            (301, "", json!(null), "unavailable"),
        ] {
            let found = match failure(status, replayed, error.clone()) {
                ProviderError::Unavailable(_) => "unavailable",
                ProviderError::KeyUnusable(_) => "key_unusable",
                ProviderError::Rejected(_) => "rejected",
                ProviderError::NotFound(_) => "not_found",
            };
            assert_eq!(found, expected, "{status} {replayed} {error}");
        }
    }

    #[test]
    fn clients_get_only_messages_about_the_amount_or_the_card() {
        let message = "Invalid API Key provided: sk_test_hunter2";
        for (status, code) in [(400, "parameter_unknown"), (404, "resource_missing"), (401, ""), (500, "")] {
            let error = json!({"type": "invalid_request_error", "code": code, "message": message});
            let message = failure(status, "", error).to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
        let small = json!({
            "type": "invalid_request_error", "code": "amount_too_small", "message": "Amount must be at least $0.50 usd",
        });
        assert_eq!(failure(400, "", small).to_string(), "Amount must be at least $0.50 usd");
        let long = json!({"type": "card_error", "code": "card_declined", "message": "é".repeat(9999)});
        assert_eq!(failure(402, "", long).to_string().chars().count(), MAX_MESSAGE_LENGTH);
    }

    #[test]
    fn a_response_of_a_proxy_is_mapped_by_its_status() {
        for body in [&b""[..], b"<html>", b"[]", b"{}", br#"{"error":"no"}"#, b"\xff"] {
            let error = ApiError::parse(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body);
            assert!(matches!(error.into(), ProviderError::Unavailable(_)), "{body:?}");
        }
    }
}
