//! The mapping from gRPC statuses to problems.

use std::time::Duration;

use bodega_runtime::{
    rate_limit::Policy,
    status::{self, UPSTREAM},
};
use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Problem, SecondFactor, UPSTREAM_UNAVAILABLE};

/// The HTTP status for a gRPC code, and for the reasons that have another one. Codes that no service returns to clients are
/// internal errors.
fn http_status(code: Code, reason: &str) -> StatusCode {
    match (code, reason) {
        (Code::FailedPrecondition, "mail_not_configured") => return StatusCode::SERVICE_UNAVAILABLE,
        (Code::InvalidArgument, "unsupported_image") => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (Code::InvalidArgument, "image_too_large") => return StatusCode::PAYLOAD_TOO_LARGE,
        // About a body that the gateway forwards unread: its contents are not fields of the request.
        (Code::InvalidArgument, "invalid_signature" | "invalid_event") => return StatusCode::BAD_REQUEST,
        _ => {}
    }
    match code {
        Code::InvalidArgument => StatusCode::UNPROCESSABLE_ENTITY,
        Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition => StatusCode::CONFLICT,
        Code::Aborted => StatusCode::PRECONDITION_FAILED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable | Code::DeadlineExceeded => StatusCode::SERVICE_UNAVAILABLE,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) {
            return service_unavailable(&status);
        }
        if status::is_connection_error(&status) {
            return Self::unavailable("the connection to a service was lost");
        }
        let reason = status::reason(&status);
        let http_status = http_status(status.code(), &reason);
        // Clients may see the text of a status only if it has a reason, and not if a service rejects the gateway's own token.
        let is_for_clients = !reason.is_empty() && reason != "service_token_required";
        if http_status == StatusCode::INTERNAL_SERVER_ERROR || !is_for_clients {
            tracing::error!("unexpected status from a service: {:?} {reason}", status.code());
            return Self::internal();
        }
        let mut problem = Self::new(http_status, &reason, status.message());
        let rejected = status.get_details_bad_request().map(|details| details.field_violations);
        let rejected = rejected.unwrap_or_default();
        let list = rejected.iter().map(|violation| format!("{} {}", violation.field, violation.description));
        problem.0.lists_fields |= list.collect::<Vec<_>>().join("; ") == status.message();
        for violation in rejected {
            problem = problem.about(&camel_case(&violation.field), violation.description);
        }
        problem.0.retry_after = retry_after(&status);
        problem.0.second_factor = second_factor(&status, &reason);
        problem.0.rate_limit = Policy::of(&status);
        problem.listing_fields()
    }
}

/// Status 503. The detail is the service's own message for a reason of its own; otherwise it names the area of the API that
/// fails.
fn service_unavailable(status: &Status) -> Problem {
    let is_timeout = status.code() == Code::DeadlineExceeded;
    let reason = status::reason(status);
    let code = match reason.as_str() {
        _ if is_timeout => "timeout",
        "" | "unavailable" => UPSTREAM_UNAVAILABLE,
        reason => reason,
    };
    let has_own_reason = !is_timeout && code != UPSTREAM_UNAVAILABLE;
    let upstream = status.metadata().get(UPSTREAM).and_then(|name| name.to_str().ok()).unwrap_or_default();
    let (subject, verb) = match upstream {
        "identity" => ("accounts", "are"),
        "catalog" => ("the catalog", "is"),
        "cart" => ("carts", "are"),
        "order" => ("orders", "are"),
        _ => ("a service", "is"),
    };
    let failure = match is_timeout {
        true => format!("{subject} did not respond in time"),
        false => format!("{subject} {verb} unavailable"),
    };
    let message = status.message();
    // The transport's own messages say the same about the service.
    let is_general = message == "timed out"
        || message
            .strip_prefix(upstream)
            .is_some_and(|rest| [" is unavailable", " timed out"].contains(&rest));
    let detail = match message {
        _ if reason.is_empty() || is_general => failure,
        message if upstream.is_empty() || has_own_reason => message.to_owned(),
        message => format!("{failure}: {message}"),
    };
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
    problem.0.retry_after = retry_after(status);
    problem
}

fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// The token for the second step of a login.
fn second_factor(status: &Status, reason: &str) -> Option<SecondFactor> {
    if reason != "second_factor_required" {
        return None;
    }
    let token = status::metadata(status, "token")?;
    let expires_in = status::metadata(status, "expires_in")?.parse().ok()?;
    Some(SecondFactor { token, expires_in })
}

/// The JSON name of a protobuf field. Amounts are in minor units only between the services.
pub(crate) fn camel_case(field: &str) -> String {
    let field = field.replace("_minor", "");
    let mut words = field.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use bodega_runtime::rate_limit::{RateLimited, limits};

    use super::*;
    use crate::problem::INVALID_FIELD;

    #[test]
    fn keeps_the_reason_and_the_fields() {
        let mut violations = status::Violations::new();
        violations.add("price_minor", "must not be negative");
        violations.add("tag_ids", "unknown");
        let problem = Problem::from(Status::from(violations));
        assert_eq!((problem.0.status, problem.0.code.as_str()), (422, INVALID_FIELD));
        assert_eq!(problem.0.detail, "price must not be negative; tagIds unknown");
        let fields: Vec<_> = problem.0.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["price", "tagIds"]);
    }

    #[test]
    fn renames_a_field_as_in_the_request() {
        let mut violations = status::Violations::new();
        violations.add("stock", "must not be negative");
        violations.add("name", "must have 1 to 200 characters");
        let problem = Problem::from(Status::from(violations)).renaming("stock", "quantity");
        assert_eq!(problem.0.errors[0].field, "quantity");
        assert_eq!(problem.0.errors[1].field, "name");
        assert!(problem.0.detail.starts_with("quantity must not be negative; name "));
    }

    #[test]
    fn the_detail_of_a_conflict_has_the_names_of_the_request_where_it_lists_fields() {
        let mut violations = status::Violations::new();
        violations.add("amount_minor", "exceeds the 1.00 USD that can be refunded");
        let listed = violations.rejected(Code::FailedPrecondition, "refund_exceeds_paid");
        let problem = Problem::from(listed).renaming("amount", "total");
        assert_eq!(
            (problem.0.status, problem.0.detail.as_str()),
            (409, "total exceeds the 1.00 USD that can be refunded")
        );
        let fields = [("lines".to_owned(), "are missing".to_owned())];
        let described =
            status::rejected_fields(Code::FailedPrecondition, "empty_cart", "cart is empty", fields);
        assert_eq!(Problem::from(described).0.detail, "cart is empty");
    }

    #[test]
    fn maps_reasons_with_an_http_status_of_their_own() {
        for (reason, http_status) in [
            ("unsupported_image", 415),
            ("image_too_large", 413),
            ("invalid_signature", 400),
            ("invalid_event", 400),
            ("invalid_image", 422),
        ] {
            let message = "is invalid".to_owned();
            let status = status::rejected_field(Code::InvalidArgument, reason, "images[1]", message);
            let problem = Problem::from(status);
            assert_eq!((problem.0.status, problem.0.code.as_str()), (http_status, reason));
            assert_eq!(problem.0.errors[0].field, "images[1]");
            assert_eq!(problem.0.detail, "images[1] is invalid");
        }
    }

    #[test]
    fn hides_the_text_of_a_status_without_a_reason() {
        for code in [Code::Internal, Code::Unknown, Code::NotFound, Code::InvalidArgument] {
            let problem = Problem::from(Status::new(code, "secret"));
            assert!(!problem.0.detail.contains("secret"), "{code:?}");
        }
    }

    #[test]
    fn a_rate_limit_is_429_with_its_policy() {
        let limited = RateLimited { limit: limits::LOGIN_CLIENT, retry_after: Duration::from_secs(12) };
        let response = Problem::from(Status::from(limited)).into_response();
        assert_eq!(response.status(), 429);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("retry-after"), "12");
        assert_eq!(header("ratelimit-policy"), r#""login_client";q=50;w=1500"#);
        assert_eq!(header("ratelimit"), r#""login_client";r=0;t=12"#);
    }

    #[test]
    fn a_lost_connection_is_503() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert_eq!(Problem::from(broken).0.status, 503);
    }

    #[test]
    fn a_rejected_service_token_is_an_internal_error() {
        let status =
            status::rejected(Code::Unauthenticated, "service_token_required", "unknown service token");
        assert_eq!(Problem::from(status).0.status, 500);
    }

    #[test]
    fn a_503_says_which_area_fails_and_why() {
        let pause = Duration::from_secs(1);
        let unavailable = |message: &str| status::unavailable(message, pause);
        let timeout = |message| status::retryable(Code::DeadlineExceeded, "timeout", message, pause);
        let own = status::retryable(Code::Unavailable, "storage_unavailable", "no storage", pause);
        for (upstream, status, code, detail) in [
            ("order", unavailable("order is unavailable"), "upstream_unavailable", "orders are unavailable"),
            (
                "order",
                unavailable("catalog is unavailable"),
                "upstream_unavailable",
                "orders are unavailable: catalog is unavailable",
            ),
            ("catalog", Status::unavailable("secret"), "upstream_unavailable", "the catalog is unavailable"),
            ("cart", timeout("cart timed out"), "timeout", "carts did not respond in time"),
            ("cart", timeout("timed out"), "timeout", "carts did not respond in time"),
            (
                "order",
                timeout("catalog timed out"),
                "timeout",
                "orders did not respond in time: catalog timed out",
            ),
            ("identity", Status::deadline_exceeded("secret"), "timeout", "accounts did not respond in time"),
            ("catalog", own, "storage_unavailable", "no storage"),
        ] {
            let mut status = status;
            status.metadata_mut().insert(UPSTREAM, upstream.parse().unwrap());
            let problem = Problem::from(status);
            assert_eq!((problem.0.status, problem.0.code.as_str()), (503, code), "{detail}");
            assert_eq!(problem.0.detail, detail);
        }
        let unnamed = Problem::from(unavailable("identity is unavailable"));
        assert_eq!(unnamed.0.detail, "identity is unavailable");
    }
}
