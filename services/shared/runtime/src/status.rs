//! Constructors of gRPC statuses.
//!
//! A rejection carries a stable snake_case reason in `google.rpc.ErrorInfo`, and the rejected fields or lines in
//! `google.rpc.BadRequest`. Internal errors are logged here; the client receives a fixed text.

use std::{collections::HashMap, fmt::Display, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};
use tracing::error;

/// Domain of every `ErrorInfo`.
pub(crate) const DOMAIN: &str = "bodega";

/// Metadata that names the upstream which was unavailable or too slow. It is set by the transport to that upstream.
pub const UPSTREAM: &str = "x-bodega-upstream";

/// Creates a rejection of the client's request.
pub fn rejected(code: Code, reason: &str, message: impl Display) -> Status {
    rejected_fields(code, reason, message, [])
}

/// Creates a rejection with metadata for programs.
pub fn rejected_with(
    code: Code,
    reason: &str,
    message: impl Display,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Status {
    let details =
        ErrorDetails::with_error_info(reason, DOMAIN, metadata.into_iter().collect::<HashMap<_, _>>());
    Status::with_error_details(code, message.to_string(), details)
}

/// Creates a rejection that names the rejected fields or lines, each with the reason.
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

/// Creates a rejection of one field.
pub fn rejected_field(code: Code, reason: &str, field: &str, message: String) -> Status {
    rejected_fields(code, reason, format!("{field} {message}"), [(field.to_owned(), message)])
}

/// Creates the status of a call that failed because a resource is unavailable, which is worth a retry after `retry_after`.
pub fn unavailable(message: impl Display, retry_after: Duration) -> Status {
    retryable(Code::Unavailable, "unavailable", message, retry_after)
}

/// Creates the status of a call that failed for `reason`, and that is worth a retry after `retry_after`.
pub fn retryable(code: Code, reason: &str, message: impl Display, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(code, message.to_string(), details)
}

/// Creates an internal error. Logs `error`, which the client does not receive.
pub fn internal(error: impl Display) -> Status {
    error!("internal error: {error:#}");
    Status::internal("internal error")
}

/// Converts a database error that is not a violated constraint.
pub fn database(error: &sqlx::Error) -> Status {
    if !is_database_unavailable(error) {
        return internal(error);
    }
    error!("database unavailable: {error}");
    unavailable("the database is unavailable", Duration::from_secs(1))
}

/// Returns whether the database is unreachable or temporarily unable to serve, so that a retry may succeed.
pub(crate) fn is_database_unavailable(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
    matches!(error, Io(_) | PoolClosed | PoolTimedOut | Tls(_) | WorkerCrashed)
        || is_closed_during_handshake(error)
        || is_transient(error)
}

/// Returns whether the connection was closed before the server said a word, as by a proxy that has no server. sqlx takes the end
/// of the stream for a response of zero.
fn is_closed_during_handshake(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Protocol(text) if text.contains("response from SSLRequest: 0x00"))
}

/// Returns whether Postgres reports a temporary condition: a lost connection (class 08), a transaction rolled back in favour
/// of others (40), a lack of resources (53), a shutdown, start or statement timeout (57), a read-only server, an idle
/// transaction's timeout or a lock that is not available.
fn is_transient(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| {
        let is_of_class = |class: &&str| code.starts_with(class);
        ["08", "40", "53", "57"].iter().any(is_of_class) || matches!(&*code, "25006" | "25P03" | "55P03")
    })
}

/// Returns the name of the violated constraint.
pub fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// Converts an upstream's failure to the status of this service's own call. Failures that are worth a retry stay as they
/// are, and so does the rejection of an access token that has just expired; any other failure is an internal error.
pub fn upstream(error: Status) -> Status {
    match error.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => error,
        Code::Unauthenticated if reason(&error) == "expired_token" => error,
        _ if is_connection_error(&error) => {
            unavailable("the connection to an upstream was lost", Duration::from_secs(1))
        }
        _ => internal(error),
    }
}

/// Returns whether the call failed because its connection broke: no peer sent this status.
pub fn is_connection_error(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// Returns the stable reason of a rejection, or an empty string when it has none.
pub fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// Returns a value of the metadata of a rejection.
pub fn metadata(status: &Status, key: &str) -> Option<String> {
    status.get_details_error_info()?.metadata.remove(key)
}

/// Rejected fields, collected so that a client receives all of them at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<(String, String)>);

impl Violations {
    /// Creates an empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a violation. `field` is the field's protobuf name, with its path where it is nested: `addresses[0].city`.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push((field.into(), message.into()));
    }

    /// Adds a violation unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, message: impl Into<String>) {
        if !holds {
            self.add(field, message);
        }
    }

    /// Requires `min` to `max` characters, not all of them white space, and no control characters but line breaks and tabs.
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
        let is_forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        self.require(!text.contains(is_forbidden), field, "must not contain control characters");
    }

    /// As [`require_text`](Self::require_text), without line breaks: mails and other texts are written with it.
    pub fn require_line(&mut self, text: &str, min: usize, max: usize, field: &str) {
        self.require_text(text, min, max, field);
        let is_line_break = |c| matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}');
        self.require(!text.contains(is_line_break), field, "must be one line");
    }

    /// Returns whether there are no violations.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Succeeds if there are no violations.
    ///
    /// # Errors
    /// The violations, if there are any.
    pub fn finish(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Creates a rejection of fields that are valid, but conflict with the state of the resource.
    pub fn rejected(self, code: Code, reason: &str) -> Status {
        let message = self.to_string();
        rejected_fields(code, reason, message, self.0)
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

/// Parses the UUID in a request's `field`.
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
    fn carries_the_reason_and_the_rejected_fields() {
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
    fn hides_internal_errors() {
        assert_eq!(internal("the password is hunter2").message(), "internal error");
        let error = Status::failed_precondition("secret");
        assert_eq!(upstream(error).message(), "internal error");
        assert_eq!(upstream(Status::unavailable("down")).code(), Code::Unavailable);
        assert_eq!(upstream(Status::unauthenticated("unknown service token")).code(), Code::Internal);
    }

    #[test]
    fn reports_a_lost_connection_as_unavailable() {
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert_eq!(upstream(broken).code(), Code::Unavailable);
    }

    #[test]
    fn passes_on_the_rejection_of_an_expired_access_token() {
        let expired = rejected(Code::Unauthenticated, "expired_token", "the access token has expired");
        assert_eq!(reason(&upstream(expired)), "expired_token");
    }

    #[test]
    fn counts_text_in_characters() {
        let mut violations = Violations::new();
        violations.require_text("ééé", 1, 3, "name");
        assert!(violations.is_empty());
        violations.require_text("   ", 1, 3, "name");
        assert!(!violations.is_empty());
    }

    #[test]
    fn a_line_has_no_line_breaks() {
        let is_line = |text: &str| {
            let mut violations = Violations::new();
            violations.require_line(text, 0, 10, "name");
            violations.is_empty()
        };
        for text in ["", "Ada\tL.", "Zoë O'Neil"] {
            assert!(is_line(text), "{text:?}");
        }
        for text in ["a\nb", "a\r", "a\u{2028}b", "a\u{2029}b", "a\u{b}b", "a\u{85}b", "more than 10"] {
            assert!(!is_line(text), "{text:?}");
        }
    }
}
