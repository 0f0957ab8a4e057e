//! Responses that are more than a body, and checks of upstream responses.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::LOCATION};
use serde::Serialize;

use crate::{extract::Json, problem::Problem};

/// Status 201 with the created resource and its location.
pub(crate) struct Created<T> {
    location: String,
    body: T,
}

impl<T> Created<T> {
    pub(crate) fn at(location: String, body: T) -> Self {
        Self { location, body }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Ok(location) = HeaderValue::try_from(self.location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// Unwraps a field that is required in a service's response.
///
/// # Errors
/// An internal problem when the field is missing: service and gateway disagree about the contract.
pub(crate) fn present<T>(field: Option<T>) -> Result<T, Problem> {
    field.ok_or_else(|| {
        tracing::error!("a required field is missing in a service's response");
        Problem::internal()
    })
}
