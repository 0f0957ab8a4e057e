//! Statuses that the store never responds with, whatever happens to it.

use crate::{invariants::exchanges::format_time, journal::Exchange};

/// Finds 5xx other than 503, and 429 or 503 without `Retry-After`.
pub(super) fn find_violations(exchanges: &[Exchange]) -> Vec<String> {
    let describe = |exchange: &Exchange| {
        let status = exchange.status?;
        let problem = match status {
            429 | 503 if exchange.retry_after.is_none() => "without Retry-After",
            503 => return None,
            500.. => "which is not allowed",
            _ => return None,
        };
        let Exchange { method, path, user, started, response, .. } = exchange;
        let (at, code) = (format_time(*started), &response["code"]);
        Some(format!("{method} {path} of user {user} at {at}: status {status} ({code}), {problem}"))
    };
    exchanges.iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invariants::fixtures::request;

    fn violations(status: u16) -> Vec<String> {
        let exchange = request("GET", "/api/cart").at(1_500);
        find_violations(&[exchange.with_response(status, json!({"code": "a_code"}))])
    }

    #[test]
    fn accepts_success_client_errors_and_503() {
        for status in [200, 201, 204, 400, 401, 404, 409, 422, 429, 503] {
            assert_eq!(violations(status), Vec::<String>::new(), "{status}");
        }
        let without_response = request("GET", "/api/cart").without_response();
        assert_eq!(find_violations(&[without_response]), Vec::<String>::new());
    }

    #[test]
    fn finds_server_errors() {
        for status in [500, 501, 502, 504] {
            let violations = violations(status);
            let expected =
                format!("GET /api/cart of user u-1 at 1.500 s: status {status} (\"a_code\"), which is not");
            assert!(violations[0].starts_with(&expected), "{violations:?}");
        }
    }

    #[test]
    fn finds_rejections_without_retry_after() {
        for status in [429, 503] {
            let mut exchange = request("GET", "/api/cart").with_response(status, json!({}));
            exchange.retry_after = None;
            let violations = find_violations(&[exchange]);
            let expected = format!("status {status} (null), without Retry-After");
            assert!(violations[0].ends_with(&expected), "{violations:?}");
        }
    }
}
