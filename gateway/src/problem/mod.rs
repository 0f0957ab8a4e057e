//! Errors as REST clients see them: RFC 9457, and the one table from gRPC to HTTP.

mod table;

use std::{fmt::Display, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bodega_runtime::context::CallContext;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of every error.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// The reason of services, and our code, for fields whose values are refused.
const INVALID_FIELD: &str = "invalid_field";

/// An error, as RFC 9457 has it. In a box, for it is on the way out of most functions here.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Problem(#[schema(inline)] Box<Content>);

/// What a problem says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "type": "/problems/out_of_stock", "title": "Out of stock", "status": 409, "code": "out_of_stock",
    "detail": "there is not enough in stock",
    "errors": [{"field": "products[7]", "message": "only 1 left of Coffee Mug"}],
    "requestId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10"
}))]
struct Content {
    /// Names the kind of problem; a relative URI.
    r#type: String,
    /// The kind of problem, for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time.
    detail: String,
    /// The kind of problem, for programs: a stable snake_case word.
    code: String,
    /// The fields or lines it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// To quote when asking for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// A refused field or line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Its name, as in the request.
    field: String,
    /// What is wrong with it.
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Display) -> Self {
        Self(Box::new(Content {
            r#type: format!("/problems/{code}"),
            title: title(code),
            status: status.as_u16(),
            detail: detail.to_string(),
            code: code.to_owned(),
            errors: Vec::new(),
            request_id: None,
            retry_after: None,
        }))
    }

    /// A request that is not well formed: its syntax, a path or a query parameter.
    pub(crate) fn malformed(field: &str, message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", format!("{field} {message}"))
            .about(field, message)
    }

    /// A field whose value is refused.
    pub(crate) fn invalid(field: &str, message: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, INVALID_FIELD, format!("{field} {message}"))
            .about(field, message)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "sign in first")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "admin_only", "only admins may do this")
    }

    /// A body, or a part of it, that has more bytes than may be.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large")
    }

    /// A body that is not of the one media type that is read here.
    pub(crate) fn unsupported_media_type(wanted: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", format!("send {wanted}"))
    }

    /// A body that does not come on.
    pub(crate) fn too_slow(detail: &str) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    }

    pub(crate) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing at this path")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong here")
    }

    pub(crate) fn unavailable(detail: &str) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.0.retry_after = Some(Duration::from_secs(1));
        problem
    }

    /// More requests than can be worked on. Not all are to come back at the same time.
    pub(crate) fn overloaded() -> Self {
        let detail = "there are too many requests at the moment";
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
        problem.0.retry_after = Some(Duration::from_secs(rand::random_range(1..=3)));
        problem
    }

    /// Names what it is about.
    #[must_use]
    pub(crate) fn about(mut self, field: &str, message: impl Display) -> Self {
        self.0.errors.push(FieldError { field: field.to_owned(), message: message.to_string() });
        self
    }

    /// Calls a field as the request does that the service heard of in its own words.
    #[must_use]
    pub(crate) fn renaming(mut self, service: &str, request: &str) -> Self {
        for error in &mut self.0.errors {
            if error.field == service {
                error.field = request.to_owned();
            }
        }
        self.listing_fields()
    }

    /// The same of a query: a parameter that is refused makes a malformed request, whoever refuses it.
    #[must_use]
    pub(crate) fn of_query(mut self) -> Self {
        if self.0.status == StatusCode::UNPROCESSABLE_ENTITY {
            let Content { detail, errors, .. } = *self.0;
            self = Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail);
            self.0.errors = errors;
        }
        self
    }

    /// Tells refused fields in the words of the request, where the service told them in its own.
    fn listing_fields(mut self) -> Self {
        if self.0.status == StatusCode::UNPROCESSABLE_ENTITY && !self.0.errors.is_empty() {
            let refused = self.0.errors.iter().map(|error| format!("{} {}", error.field, error.message));
            self.0.detail = refused.collect::<Vec<_>>().join("; ");
        }
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let id = CallContext::current().request_id;
        self.0.request_id = id.and_then(|id| id.to_str().map(str::to_owned).ok());
        let retry_after = self.0.retry_after.map(|pause| pause.as_secs().max(1)).or(match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some(1),
            _ => None,
        });

        // RFC 6750: what was shown is no good, as against nothing was.
        let challenge = HeaderValue::from_static(match self.0.code.as_str() {
            "invalid_token" | "expired_token" | "session_ended" => r#"Bearer error="invalid_token""#,
            _ => "Bearer",
        });

        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// `Out of stock` for `out_of_stock`.
fn title(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
