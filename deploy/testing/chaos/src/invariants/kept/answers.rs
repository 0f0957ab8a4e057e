//! Answers that a store must not give, whatever happens to it.

use crate::{invariants::reading::at, journal::Exchange};

/// A server's error other than 503; 503 and 429 that do not say when to come back.
pub(super) fn judge(exchanges: &[Exchange]) -> Vec<String> {
    let judge = |exchange: &Exchange| {
        let status = exchange.status?;
        let what = match status {
            429 | 503 if exchange.retry_after.is_none() => "without Retry-After",
            503 => return None,
            500.. => "which says nothing to go on with",
            _ => return None,
        };
        let Exchange { method, path, user, started, told, .. } = exchange;
        let (at, code) = (at(*started), &told["code"]);
        Some(format!("{method} {path} of user {user} at {at} was answered {status} ({code}), {what}"))
    };
    exchanges.iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::testing::asked;

    fn found(status: u16) -> Vec<String> {
        judge(&[asked("GET", "/api/cart").at(1_500).told(status, json!({"code": "a_code"}))])
    }

    #[test]
    fn answers_that_one_can_go_on_with_are_right() {
        for status in [200, 201, 204, 400, 401, 404, 409, 422, 429, 503] {
            assert_eq!(found(status), Vec::<String>::new(), "{status}");
        }
        assert_eq!(judge(&[asked("GET", "/api/cart").unanswered()]), Vec::<String>::new());
    }

    #[test]
    fn errors_of_the_server_are_found() {
        for status in [500, 501, 502, 504] {
            let found = found(status);
            let says = format!(
                "GET /api/cart of user u-1 at 1.500 s was answered {status} (\"a_code\"), which says"
            );
            assert!(found[0].starts_with(&says), "{found:?}");
        }
    }

    #[test]
    fn answers_that_do_not_say_when_to_come_back_are_found() {
        for status in [429, 503] {
            let mut exchange = asked("GET", "/api/cart").told(status, json!({}));
            exchange.retry_after = None;
            let found = judge(&[exchange]);
            assert!(
                found[0].ends_with(&format!("was answered {status} (null), without Retry-After")),
                "{found:?}"
            );
        }
    }
}
