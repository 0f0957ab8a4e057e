//! Errors as Stripe answers them. See <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

/// Why a call is refused.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    /// The status of the answer.
    pub(crate) status: u16,
    details: Map<String, Value>,
}

impl Error {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut details = Map::new();
        details.insert("type".to_owned(), kind.into());
        details.insert("message".to_owned(), message.into().into());
        Self { status, details }
    }

    /// A call that makes no sense, or not now: 400.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A call without a key that is good for it: 401.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// A card that was not charged: 402.
    pub(crate) fn card(message: impl Into<String>) -> Self {
        Self::new(402, "card_error", message)
    }

    /// There is no object with this id: 404. `param` is where the id was.
    pub(crate) fn no_such(kind: &str, id: &str, param: &str) -> Self {
        Self::new(404, "invalid_request_error", format!("No such {kind}: '{id}'"))
            .code("resource_missing")
            .with("param", param)
    }

    /// There is nothing at this URL: 404.
    pub(crate) fn no_such_url(method: &http::Method, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, "invalid_request_error", message)
    }

    /// A key that is taken by another call: 400.
    pub(crate) fn idempotency(message: impl Into<String>) -> Self {
        Self::new(400, "idempotency_error", message)
    }

    /// The first call with this key is not answered yet: 409.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you \
             submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::new(409, "invalid_request_error", message).code("idempotency_key_in_use")
    }

    /// Too many calls: 429.
    pub(crate) fn rate_limited() -> Self {
        Self::new(429, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit")
    }

    /// Something is wrong at our end: 500.
    pub(crate) fn internal() -> Self {
        Self::new(500, "api_error", "An unknown error occurred.")
    }

    /// With a code for programs, and where to read about it.
    pub(crate) fn code(self, code: &str) -> Self {
        let doc_url = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        self.with("code", code).with("doc_url", doc_url)
    }

    /// With one more detail.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// What is in `error`.
    pub(crate) fn details(&self) -> Value {
        Value::Object(self.details.clone())
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.details })
    }
}
