//! The remaining time of a call, in the format of the `grpc-timeout` header.

use std::{fmt::Display, time::Duration};

use http::HeaderValue;
use tonic::{Code, Status};

use crate::status;

/// Header with the remaining time of a call.
pub(super) const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Returns the status of a call that did not end before its deadline.
pub(crate) fn deadline_exceeded(message: impl Display) -> Status {
    status::retryable(Code::DeadlineExceeded, "timeout", message, Duration::from_secs(1))
}

/// Formats a `grpc-timeout`: at most eight digits and a unit, as gRPC over HTTP/2 requires.
pub(super) fn grpc_timeout(remaining: Duration) -> HeaderValue {
    let milliseconds = remaining.as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{milliseconds}m")).unwrap_or(HeaderValue::from_static("1m"))
}

/// Parses an inbound `grpc-timeout`. Returns `None` when it is malformed.
pub(crate) fn parse_grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_timeouts_it_writes() {
        for timeout in [Duration::from_millis(1), Duration::from_millis(2_500), Duration::from_secs(86_400)] {
            assert_eq!(parse_grpc_timeout(&grpc_timeout(timeout)), Some(timeout));
        }
    }

    #[test]
    fn ignores_a_malformed_timeout() {
        for text in ["", "5", "m", "-5m", "999999999m", "5x", "+5m"] {
            assert_eq!(parse_grpc_timeout(&HeaderValue::from_static(text)), None, "{text}");
        }
    }
}
