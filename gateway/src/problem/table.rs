//! The one table from gRPC to HTTP.

use bodega_runtime::status;
use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::Problem;

/// The one table: the reasons for which HTTP has a status of its own, then the codes. What is not listed is an internal
/// error with a fixed text.
fn http_status(code: Code, reason: &str) -> StatusCode {
    match (code, reason) {
        (Code::InvalidArgument, "unsupported_image") => return StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (Code::InvalidArgument, "image_too_large") => return StatusCode::PAYLOAD_TOO_LARGE,
        // Of a body that is handed on as it came: nothing of it is a field of ours.
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
        if status::is_connection_error(&status) {
            tracing::debug!("a call to a service broke off: {status}");
            return Self::unavailable("a service is unavailable");
        }
        let reason = status::reason(&status);
        let http_status = http_status(status.code(), &reason);
        // Nobody gave a reason: then it is none of ours, and its text is not for clients. That a service does not know
        // this gateway is for operators.
        let is_ours = !reason.is_empty() && reason != "service_token_required";
        if http_status == StatusCode::INTERNAL_SERVER_ERROR || !is_ours {
            return match http_status {
                StatusCode::SERVICE_UNAVAILABLE => Self::unavailable("a service is unavailable"),
                _ => {
                    tracing::error!("unexpected answer of a service: {:?} {reason}", status.code());
                    Self::internal()
                }
            };
        }
        let mut problem = Self::new(http_status, &reason, status.message());
        let refused = status.get_details_bad_request().map(|details| details.field_violations);
        for violation in refused.unwrap_or_default() {
            problem = problem.about(&camel_case(&violation.field), violation.description);
        }
        problem.0.retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
        problem.listing_fields()
    }
}

/// The JSON name of a proto field. Minor units are a matter between the services.
fn camel_case(field: &str) -> String {
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
    use super::*;
    use crate::problem::INVALID_FIELD;

    #[test]
    fn a_refusal_keeps_its_reason_and_its_fields() {
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
    fn a_field_is_called_as_the_request_calls_it() {
        let mut violations = status::Violations::new();
        violations.add("stock", "must not be negative");
        violations.add("name", "must have 1 to 200 characters");
        let problem = Problem::from(Status::from(violations)).renaming("stock", "quantity");
        assert_eq!(problem.0.errors[0].field, "quantity");
        assert_eq!(problem.0.errors[1].field, "name");
        assert!(problem.0.detail.starts_with("quantity must not be negative; name "));
    }

    #[test]
    fn a_reason_that_http_has_a_status_for_gets_it() {
        for (reason, http_status) in [
            ("unsupported_image", 415),
            ("image_too_large", 413),
            ("invalid_signature", 400),
            ("invalid_event", 400),
            ("invalid_image", 422),
        ] {
            let message = "is not right".to_owned();
            let refusal = status::rejected_field(Code::InvalidArgument, reason, "images[1]", message);
            let problem = Problem::from(refusal);
            assert_eq!((problem.0.status, problem.0.code.as_str()), (http_status, reason));
            assert_eq!(problem.0.errors[0].field, "images[1]");
            assert_eq!(problem.0.detail, "images[1] is not right");
        }
    }

    #[test]
    fn what_gives_no_reason_shows_nothing() {
        for code in [Code::Internal, Code::Unknown, Code::NotFound, Code::InvalidArgument] {
            let problem = Problem::from(Status::new(code, "secret"));
            assert!(!problem.0.detail.contains("secret"), "{code:?}");
        }
    }

    #[test]
    fn a_call_that_breaks_off_is_worth_another() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert_eq!(Problem::from(broken).0.status, 503);
    }

    #[test]
    fn a_gateway_that_no_service_knows_is_not_the_clients_fault() {
        let refusal = status::rejected(Code::Unauthenticated, "service_token_required", "not one of us");
        assert_eq!(Problem::from(refusal).0.status, 500);
    }
}
