//! Responses of the API.

use http::{HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use serde_json::Value;

use crate::error::Error;

/// A response that can be stored and replayed.
#[derive(Clone, Debug)]
pub(crate) struct ApiResponse {
    status: u16,
    body: String,
    /// The id of the request that the response was first returned to.
    request_id: String,
    is_replay: bool,
}

impl ApiResponse {
    pub(crate) fn new(result: Result<Value, Error>, request_id: &str) -> Self {
        let (status, body) = match result {
            Ok(object) => (200, object),
            Err(error) => (error.status, error.body()),
        };
        Self { status, body: format!("{body:#}"), request_id: request_id.to_owned(), is_replay: false }
    }

    /// Returns the same response, marked as a replay.
    pub(crate) fn to_replay(&self) -> Self {
        Self { is_replay: true, ..self.clone() }
    }

    /// Converts the response to HTTP and adds the `echoed` headers of the request.
    pub(crate) fn into_response(
        self,
        request_id: &str,
        echoed: Vec<(HeaderName, HeaderValue)>,
    ) -> Response<String> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status.try_into().unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(echoed);
        let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        headers.insert("request-id", text(request_id));
        if self.is_replay {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
            headers.insert("original-request", text(&self.request_id));
        }
        response
    }
}
