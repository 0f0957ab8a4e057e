//! Error responses. See <https://docs.stripe.com/api/errors>.

use serde_json::{Map, Value, json};

/// A rejected request.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    /// The HTTP status.
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

    /// 400: the request is invalid, or not possible in the current state.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 401: the request has no valid key.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// 402: the card was declined.
    pub(crate) fn card(message: impl Into<String>) -> Self {
        Self::new(402, "card_error", message)
    }

    /// 404: no object has this id. `param` is the parameter with the id.
    pub(crate) fn no_such(kind: &str, id: &str, param: &str) -> Self {
        Self::new(404, "invalid_request_error", format!("No such {kind}: '{id}'"))
            .code("resource_missing")
            .with("param", param)
    }

    /// 404: the URL does not exist.
    pub(crate) fn no_such_url(method: &http::Method, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, "invalid_request_error", message)
    }

    /// 400: the idempotency key was used for another request.
    pub(crate) fn idempotency(message: impl Into<String>) -> Self {
        Self::new(400, "idempotency_error", message)
    }

    /// 409: the first request with this idempotency key is still executing.
    pub(crate) fn key_in_use(key: &str) -> Self {
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that probably means you \
             submitted twice, and the other request is still going through): {key}. Please try again later."
        );
        Self::new(409, "invalid_request_error", message).code("idempotency_key_in_use")
    }

    /// 429: too many requests.
    pub(crate) fn rate_limited() -> Self {
        Self::new(429, "invalid_request_error", "Request rate limit exceeded.").code("rate_limit")
    }

    /// 500: internal error.
    pub(crate) fn internal() -> Self {
        Self::new(500, "api_error", "An unknown error occurred.")
    }

    /// Adds a code and the URL of its documentation.
    pub(crate) fn code(self, code: &str) -> Self {
        let doc_url = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        self.with("code", code).with("doc_url", doc_url)
    }

    /// Adds a field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Returns the value of the field `error`.
    pub(crate) fn details(&self) -> Value {
        Value::Object(self.details.clone())
    }

    /// Returns the body of the response.
    pub(crate) fn body(&self) -> Value {
        json!({ "error": self.details })
    }
}
