//! Answers that are more than a body.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::LOCATION};
use serde::Serialize;

use crate::{extract::Json, problem::Problem};

/// 201, with the new thing and where it is.
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

/// What an answer of a service must hold.
///
/// # Errors
/// An internal problem when it does not: services and gateway disagree about the contract.
pub(crate) fn present<T>(field: Option<T>) -> Result<T, Problem> {
    field.ok_or_else(|| {
        tracing::error!("a service left out what it must answer");
        Problem::internal()
    })
}
