//! The one place that makes gRPC statuses.
//!
//! A refusal carries a stable snake_case reason in `google.rpc.ErrorInfo`, and the fields or lines it is about in
//! `google.rpc.BadRequest`. What went wrong inside is logged here, and leaves as a fixed text.

use std::{collections::HashMap, fmt::Display, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};
use tracing::error;

/// The domain of our `ErrorInfo`s.
const DOMAIN: &str = "bodega";

/// Something the client asked for and cannot have.
pub fn rejected(code: Code, reason: &str, message: impl Display) -> Status {
    rejected_fields(code, reason, message, [])
}

/// A refusal that names what it is about: each field or line, and what is wrong with it.
pub fn rejected_fields(
    code: Code,
    reason: &str,
    message: impl Display,
    violations: impl IntoIterator<Item = (String, String)>,
) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    let violations: Vec<_> =
        violations.into_iter().map(|(field, message)| FieldViolation::new(field, message)).collect();
    if !violations.is_empty() {
        details.set_bad_request(violations);
    }
    Status::with_error_details(code, message.to_string(), details)
}

/// A refusal about one field.
pub fn rejected_field(code: Code, reason: &str, field: &str, message: String) -> Status {
    rejected_fields(code, reason, format!("{field} {message}"), [(field.to_owned(), message)])
}

/// Something that cannot be had now, and may be in `retry_after`.
pub fn unavailable(message: impl Display, retry_after: Duration) -> Status {
    retryable(Code::Unavailable, "unavailable", message, retry_after)
}

/// A refusal for lack of capacity that is worth repeating in `retry_after`.
pub fn retryable(code: Code, reason: &str, message: impl Display, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(code, message.to_string(), details)
}

/// Something went wrong here. Logs the cause; the client learns nothing of it.
pub fn internal(cause: impl Display) -> Status {
    error!("internal error: {cause:#}");
    Status::internal("internal error")
}

/// A database error that no constraint explains.
pub fn database(cause: &sqlx::Error) -> Status {
    if !is_database_unavailable(cause) {
        return internal(cause);
    }
    error!("database unavailable: {cause}");
    unavailable("the database is unavailable", Duration::from_secs(1))
}

/// Whether the database cannot be reached, or takes no more: the same may go through later.
pub(crate) fn is_database_unavailable(cause: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
    matches!(cause, Io(_) | PoolClosed | PoolTimedOut | Tls(_) | WorkerCrashed) || is_overwhelmed(cause)
}

/// Whether the same may go through later: the server ended the connection or the statement, undid the transaction for the
/// sake of others, may not write now, or takes no more: it shuts down, starts up, is full or too slow.
fn is_overwhelmed(cause: &sqlx::Error) -> bool {
    let code = cause.as_database_error().and_then(|cause| cause.code());
    code.is_some_and(|code| {
        let of_a_class = ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class));
        of_a_class || matches!(&*code, "25006" | "25P03" | "55P03")
    })
}

/// The constraint that a database error is about.
pub fn violated_constraint(cause: &sqlx::Error) -> Option<&str> {
    cause.as_database_error()?.constraint()
}

/// A neighbour's answer that we cannot mend: "unavailable" stays, and so does that the caller's token expired on its way;
/// the rest is an internal error of ours.
pub fn upstream(cause: Status) -> Status {
    match cause.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => cause,
        Code::Unauthenticated if reason(&cause) == "expired_token" => cause,
        _ if is_connection_error(&cause) => unavailable("a service is unavailable", Duration::from_secs(1)),
        _ => internal(cause),
    }
}

/// Whether a call came to no answer because its connection broke: nobody sent this status, it was made of an error here.
pub fn is_connection_error(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// The stable reason of a refusal, empty where there is none.
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Refused fields, collected so that a client learns of all of them at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<(String, String)>);

impl Violations {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. `field` is the proto's name for it, with a path where it lies deeper: `addresses[0].city`.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push((field.into(), message.into()));
    }

    /// Adds one unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    /// Requires `min` to `max` characters, and none that Postgres or a terminal would choke on.
    pub fn require_text(&mut self, text: &str, min: usize, max: usize, field: &str) {
        let length = text.chars().count();
        self.require(
            (min..=max).contains(&length) && !(min > 0 && text.trim().is_empty()),
            field,
            match min {
                0 => format!("must have at most {max} characters"),
                _ => format!("must have {min} to {max} characters"),
            },
        );
        let harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        self.require(!text.contains(harmful), field, "must not contain control characters");
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The violations, or that there are none.
    ///
    /// # Errors
    /// Itself, when anything was added.
    pub fn finish(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl Display for Violations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: Vec<_> = self.0.iter().map(|(field, message)| format!("{field} {message}")).collect();
        f.write_str(&all.join("; "))
    }
}

impl std::error::Error for Violations {}

impl From<Violations> for Status {
    fn from(violations: Violations) -> Self {
        let message = violations.to_string();
        rejected_fields(Code::InvalidArgument, "invalid_field", message, violations.0)
    }
}

/// The UUID in a request's `field`.
///
/// # Errors
/// `INVALID_ARGUMENT` naming the field.
pub fn parse_uuid(field: &str, text: &str) -> Result<uuid::Uuid, Status> {
    text.parse().map_err(|_| {
        rejected_field(Code::InvalidArgument, "invalid_field", field, "must be a UUID".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_its_reason_and_its_fields() {
        let mut violations = Violations::new();
        violations.require_text("", 1, 100, "name");
        violations.require_text("a\0b", 1, 100, "description");
        let status = Status::from(violations);
        assert_eq!(reason(&status), "invalid_field");
        let fields: Vec<_> = status
            .get_details_bad_request()
            .unwrap()
            .field_violations
            .into_iter()
            .map(|violation| violation.field)
            .collect();
        assert_eq!(fields, ["name", "description"]);
    }

    #[test]
    fn nothing_internal_shows() {
        assert_eq!(internal("the password is hunter2").message(), "internal error");
        let cause = Status::failed_precondition("secret");
        assert_eq!(upstream(cause).message(), "internal error");
        assert_eq!(upstream(Status::unavailable("down")).code(), Code::Unavailable);
        assert_eq!(upstream(Status::unauthenticated("not one of us")).code(), Code::Internal);
    }

    #[test]
    fn a_connection_that_breaks_is_not_our_error() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert_eq!(upstream(broken).code(), Code::Unavailable);
    }

    #[test]
    fn a_token_that_expires_on_its_way_is_the_callers_to_renew() {
        let expired = rejected(Code::Unauthenticated, "expired_token", "the access token has expired");
        assert_eq!(reason(&upstream(expired)), "expired_token");
    }

    #[test]
    fn text_is_counted_in_characters() {
        let mut violations = Violations::new();
        violations.require_text("ééé", 1, 3, "name");
        assert!(violations.is_empty());
        violations.require_text("   ", 1, 3, "name");
        assert!(!violations.is_empty());
    }
}
