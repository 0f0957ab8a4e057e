//! Error responses of the REST API (RFC 9457), and the mapping from gRPC statuses to them.

mod parser;
mod table;

use std::{fmt::Display, time::Duration};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bodega_runtime::{context::CallContext, rate_limit::Policy};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{parser::ProblemWriter, table::camel_case};

/// The media type of every error.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// The rate limit of a request, and what remains of it.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Code of a problem with rejected fields, in gRPC statuses and in the REST API.
const INVALID_FIELD: &str = "invalid_field";
/// Code of a problem with a service that is unavailable.
const UPSTREAM_UNAVAILABLE: &str = "upstream_unavailable";

/// An error (RFC 9457).
// Boxed, since most functions of the gateway may return one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Problem(#[schema(inline)] Box<Content>);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "type": "/problems/out_of_stock", "title": "Out of stock", "status": 409, "code": "out_of_stock",
    "detail": "not enough in stock",
    "errors": [{"field": "products[7]", "message": "only 1 left of Coffee Mug"}],
    "requestId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10"
}))]
struct Content {
    /// Type of the problem, a relative URI.
    r#type: String,
    /// Short description of the type.
    title: String,
    /// HTTP status.
    status: u16,
    /// What went wrong with this request.
    detail: String,
    /// Stable snake_case name of the type, for programs.
    code: String,
    /// The rejected fields or lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The second step of a login that requires a second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_factor: Option<SecondFactor>,
    /// Id of the request, also in the `x-request-id` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Whether the detail lists the rejected fields.
    #[serde(skip)]
    lists_fields: bool,
    #[serde(skip)]
    retry_after: Option<Duration>,
    /// The rate limit that the client has exceeded.
    #[serde(skip)]
    rate_limit: Option<Policy>,
}

/// The `code` of a problem, as an extension of its response; the access log contains it.
#[derive(Clone)]
pub(crate) struct ProblemCode(pub(crate) String);

/// The second step of a login.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecondFactor {
    /// Token for `POST /api/auth/2fa`; works once.
    token: String,
    /// Lifetime of the token in seconds.
    expires_in: i64,
}

/// A rejected field or line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Name of the field, as in the request.
    field: String,
    /// Why the field is rejected.
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
            second_factor: None,
            request_id: None,
            lists_fields: status == StatusCode::UNPROCESSABLE_ENTITY,
            retry_after: None,
            rate_limit: None,
        }))
    }

    /// A malformed request: its syntax, a path parameter or a query parameter.
    pub(crate) fn malformed(field: &str, message: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", format!("{field} {message}"))
            .about(field, message)
    }

    /// A field with an invalid value.
    pub(crate) fn invalid(field: &str, message: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, INVALID_FIELD, format!("{field} {message}"))
            .about(field, message)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "an access token is required")
    }

    /// A request without an access token that a guest could send with a contact.
    pub(crate) fn contact_required() -> Self {
        let detail = "an access token is required, or contact for an order of a guest";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// A body, or a part of it, over the size limit.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the request body is too large")
    }

    /// A body of another media type than `expected`.
    pub(crate) fn unsupported_media_type(expected: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("the request body must be {expected}"),
        )
    }

    /// A body that arrives too slowly.
    pub(crate) fn too_slow(detail: &str) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    }

    pub(crate) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_route", "no such path")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error occurred")
    }

    /// A service that is unavailable.
    pub(crate) fn unavailable(detail: &str) -> Self {
        Self::retryable(UPSTREAM_UNAVAILABLE, detail, 1)
    }

    /// A gateway that is about to stop.
    pub(crate) fn shutting_down() -> Self {
        Self::retryable("shutting_down", "the gateway is shutting down", 1)
    }

    /// A request that was not finished within its time limit.
    pub(crate) fn timeout(detail: &str) -> Self {
        Self::retryable("timeout", detail, 1)
    }

    /// A request over the concurrency limit. The pause is random, so that clients do not retry at the same time.
    pub(crate) fn overloaded() -> Self {
        Self::retryable("overloaded", "too many concurrent requests", rand::random_range(1..=3))
    }

    fn retryable(code: &str, detail: &str, retry_after_seconds: u64) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.0.retry_after = Some(Duration::from_secs(retry_after_seconds));
        problem
    }

    /// Adds a rejected field or line.
    #[must_use]
    pub(crate) fn about(mut self, field: &str, message: impl Display) -> Self {
        self.0.errors.push(FieldError { field: field.to_owned(), message: message.to_string() });
        self
    }

    /// Renames a rejected field from the service's name for it to the request's.
    #[must_use]
    pub(crate) fn renaming(mut self, service: &str, request: &str) -> Self {
        for error in &mut self.0.errors {
            if error.field == service {
                error.field = request.to_owned();
            }
        }
        self.listing_fields()
    }

    /// Renames the last parts of rejected fields, such as that of `variants[0].priceMinor`.
    #[must_use]
    pub(crate) fn renaming_parts(mut self, parts: &[(&str, &str)]) -> Self {
        for error in &mut self.0.errors {
            let start = error.field.rfind('.').map_or(0, |dot| dot + 1);
            if let Some((_, request)) = parts.iter().find(|(service, _)| error.field[start..] == **service) {
                error.field.replace_range(start.., request);
            }
        }
        self.listing_fields()
    }

    /// Turns a rejected field into a malformed request: the field is a query parameter.
    #[must_use]
    pub(crate) fn of_query(mut self) -> Self {
        if self.0.status == StatusCode::UNPROCESSABLE_ENTITY {
            let Content { detail, errors, .. } = *self.0;
            self = Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail);
            self.0.errors = errors;
        }
        self
    }

    /// Lists the rejected fields in the detail, with the request's names for them.
    fn listing_fields(mut self) -> Self {
        if self.0.lists_fields && !self.0.errors.is_empty() {
            let fields = self.0.errors.iter().map(|error| format!("{} {}", error.field, error.message));
            self.0.detail = fields.collect::<Vec<_>>().join("; ");
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

        // RFC 6750: an invalid token, as opposed to none.
        let challenge = HeaderValue::from_static(match self.0.code.as_str() {
            "invalid_token" | "expired_token" | "session_ended" => r#"Bearer error="invalid_token""#,
            "insufficient_scope" => r#"Bearer error="insufficient_scope""#,
            _ => "Bearer",
        });

        let code = ProblemCode(self.0.code.clone());
        let rate_limit = self.0.rate_limit.take();
        let mut response = (status, Json(self)).into_response();
        response.extensions_mut().insert(code.clone());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED || code.0 == "insufficient_scope" {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
            if let Some(policy) = rate_limit {
                insert_rate_limit(headers, &policy, seconds);
            }
        }
        response
    }
}

/// Adds the fields of draft-ietf-httpapi-ratelimit-headers: the policy, and that nothing remains of it for `seconds`.
fn insert_rate_limit(headers: &mut HeaderMap, policy: &Policy, seconds: u64) {
    let Policy { limit, quota, window } = policy;
    let fields = [
        (RATE_LIMIT_POLICY, format!(r#""{limit}";q={quota};w={window}"#)),
        (RATE_LIMIT, format!(r#""{limit}";r=0;t={seconds}"#)),
    ];
    for (name, value) in fields {
        headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
    }
}

/// Returns `Out of stock` for `out_of_stock`.
fn title(code: &str) -> String {
    let mut words = code.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
