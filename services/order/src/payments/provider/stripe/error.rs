//! Why a call came to nothing, in Stripe's terms and in ours.

use reqwest::{StatusCode, header::HeaderMap};
use serde::Deserialize;
use tracing::{error, warn};

use super::objects;
use crate::provider::Failure;

/// The longest explanation that is passed on, in characters.
const LONGEST_MESSAGE: usize = 200;

/// Why a call came to nothing.
pub(super) enum CallError {
    /// There is no answer that could be read. What was asked for may be done, or not.
    Lost(String),
    /// Stripe has answered with an error.
    Stripe(ApiError),
}

/// An error that Stripe has answered with: <https://docs.stripe.com/api/errors>
pub(super) struct ApiError {
    status: StatusCode,
    /// Not an answer of its own, but the one that this idempotency key got before.
    is_replay: bool,
    /// By which its dashboard finds the request.
    request_id: String,
    kind: String,
    code: Option<String>,
    message: Option<String>,
}

impl ApiError {
    /// Reads an answer that is no success. A body that is none of Stripe's, of a proxy say, leaves the status.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
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
        let Body { error: Details { r#type, code, message } } = objects::read(body).unwrap_or_default();
        Self {
            status,
            is_replay: header("idempotent-replayed") == "true",
            request_id: header("request-id").to_owned(),
            kind: r#type.unwrap_or_default(),
            code,
            message,
        }
    }

    /// Whether somebody else is at the same object or key, or there are too many of us: soon it may be another answer.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self.status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS)
    }

    /// Whether Stripe has looked at the call and will not do it.
    pub(super) fn is_bad_request(&self) -> bool {
        self.status == StatusCode::BAD_REQUEST
    }

    /// Whether it is the error of this name: <https://docs.stripe.com/error-codes>
    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Words for the client: Stripe's own where they are about the amount or the card. Everything else is about what we
    /// have asked for, and no business of the client's.
    fn for_clients(&self) -> String {
        let code = self.code.as_deref().unwrap_or("no reason given");
        let concerns_clients = self.kind == "card_error" || code.starts_with("amount_too_");
        match &self.message {
            Some(message) if concerns_clients => message.chars().take(LONGEST_MESSAGE).collect(),
            _ => format!("the payment provider does not accept it ({code})"),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let ApiError { status, is_replay, request_id, kind, code, .. } = &error;
        let code = code.as_deref().unwrap_or("-");
        let in_short = format!("it answered {} ({kind}, {code}, request {request_id})", status.as_u16());
        match *status {
            // Logged here, and only here.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                error!("Stripe does not accept STRIPE_SECRET_KEY for this: {in_short}");
                Self::Unavailable(in_short)
            }
            _ if kind == "idempotency_error" && !error.is_passing() => Self::Spent(in_short),
            _ if error.is_passing() => Self::Unavailable(in_short),
            StatusCode::REQUEST_TIMEOUT | StatusCode::FAILED_DEPENDENCY => Self::Unavailable(in_short),
            status if status.is_client_error() => {
                warn!("Stripe has refused a call: {in_short}");
                Self::Refused(error.for_clients())
            }
            _ if *is_replay => Self::Spent(in_short),
            _ => Self::Unavailable(in_short),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Lost(cause) => Self::Unavailable(cause),
            CallError::Stripe(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn failure(status: u16, replayed: &str, error: Value) -> Failure {
        let mut headers = HeaderMap::new();
        headers.insert("request-id", "req_1".parse().unwrap());
        headers.insert("idempotent-replayed", replayed.parse().unwrap());
        let body = json!({ "error": error }).to_string();
        ApiError::read(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes()).into()
    }

    #[test]
    fn every_error_of_stripe_has_one_meaning() {
        let of_type = |kind: &str, code: &str| json!({"type": kind, "code": code, "message": "m"});
        for (status, replayed, error, expected) in [
            (500, "false", of_type("api_error", ""), "unavailable"),
            (502, "", json!(null), "unavailable"),
            (503, "true", of_type("api_error", ""), "spent"),
            (500, "true", of_type("api_error", ""), "spent"),
            (409, "", of_type("idempotency_error", "idempotency_key_in_use"), "unavailable"),
            (409, "", of_type("invalid_request_error", "idempotency_key_in_use"), "unavailable"),
            (400, "", of_type("idempotency_error", ""), "spent"),
            (429, "", of_type("invalid_request_error", "lock_timeout"), "unavailable"),
            (429, "", of_type("invalid_request_error", "rate_limit"), "unavailable"),
            (424, "", of_type("api_error", ""), "unavailable"),
            (401, "", of_type("invalid_request_error", ""), "unavailable"),
            (403, "", of_type("invalid_request_error", ""), "unavailable"),
            (400, "", of_type("invalid_request_error", "amount_too_small"), "refused"),
            (400, "true", of_type("invalid_request_error", "amount_too_small"), "refused"),
            (402, "", of_type("card_error", "card_declined"), "refused"),
            (404, "", of_type("invalid_request_error", "resource_missing"), "refused"),
            (301, "", json!(null), "unavailable"),
        ] {
            let found = match failure(status, replayed, error.clone()) {
                Failure::Unavailable(_) => "unavailable",
                Failure::Spent(_) => "spent",
                Failure::Refused(_) => "refused",
            };
            assert_eq!(found, expected, "{status} {replayed} {error}");
        }
    }

    #[test]
    fn clients_read_of_the_amount_and_not_of_us() {
        let message = "Invalid API Key provided: sk_test_hunter2";
        for (status, code) in [(400, "parameter_unknown"), (404, "resource_missing"), (401, ""), (500, "")] {
            let error = json!({"type": "invalid_request_error", "code": code, "message": message});
            let words = failure(status, "", error).to_string();
            assert!(!words.contains("hunter2"), "{words}");
        }
        let small = json!({
            "type": "invalid_request_error", "code": "amount_too_small", "message": "Amount must be at least $0.50 usd",
        });
        assert_eq!(failure(400, "", small).to_string(), "Amount must be at least $0.50 usd");
        let long = json!({"type": "card_error", "code": "card_declined", "message": "é".repeat(9999)});
        assert_eq!(failure(402, "", long).to_string().chars().count(), LONGEST_MESSAGE);
    }

    #[test]
    fn an_answer_of_something_else_on_the_way_leaves_its_status() {
        for body in [&b""[..], b"<html>", b"[]", b"{}", br#"{"error":"no"}"#, b"\xff"] {
            let error = ApiError::read(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body);
            assert!(matches!(error.into(), Failure::Unavailable(_)), "{body:?}");
        }
    }
}
