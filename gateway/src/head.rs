//! Rules of HTTP for the head of a request that hyper does not check (RFC 9110, 9112 and 9113).

use axum::extract::Request;
use http::{
    StatusCode, Version,
    header::{EXPECT, HOST},
    uri::Authority,
};

use crate::problem::Problem;

/// Checks `Host` and `Expect`.
///
/// # Errors
/// 400 for a missing, repeated or invalid `Host`; 417 for another expectation than `100-continue`.
pub(crate) fn check(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(Problem::malformed("Host", "is given twice")),
        (Some(host), None) => {
            let host = Authority::try_from(host.as_bytes()).ok().filter(|host| !host.as_str().contains('@'));
            let host =
                host.ok_or_else(|| Problem::malformed("Host", "must be a host and an optional port"))?;
            // An HTTP/1 request with an absolute URI is for the host in the URI.
            let is_http_2 = request.version() == Version::HTTP_2;
            if is_http_2 && request.uri().authority().is_some_and(|authority| *authority != host) {
                return Err(Problem::malformed("Host", "must be the same as :authority"));
            }
        }
        (None, _) if request.version() == Version::HTTP_11 => {
            return Err(Problem::malformed("Host", "is required"));
        }
        (None, _) => {}
    }
    let expectation = request.headers().get(EXPECT).map(|value| value.as_bytes());
    if expectation.is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        let detail = "the only expectation that is supported is 100-continue";
        return Err(Problem::new(StatusCode::EXPECTATION_FAILED, "expectation_failed", detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn status(version: Version, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let request = Request::builder().version(version).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let problem = check(&request.body(Body::empty()).unwrap()).err();
        problem
            .map_or(200, |problem| serde_json::to_value(problem).unwrap()["status"].as_u64().unwrap() as u16)
    }

    #[test]
    fn requires_exactly_one_valid_host() {
        for (host, expected) in [
            ("shop.example", 200),
            ("shop.example:8080", 200),
            ("[::1]:80", 200),
            ("a b", 400),
            ("user@shop.example", 400),
            ("shop.example/path", 400),
            ("", 400),
        ] {
            assert_eq!(status(Version::HTTP_11, "/", &[("host", host)]), expected, "{host:?}");
        }
        assert_eq!(status(Version::HTTP_11, "/", &[("host", "a"), ("host", "a")]), 400);
        assert_eq!(status(Version::HTTP_11, "/", &[]), 400);
        assert_eq!(status(Version::HTTP_10, "/", &[]), 200);
        assert_eq!(status(Version::HTTP_11, "http://other/", &[("host", "a")]), 200);
        assert_eq!(status(Version::HTTP_2, "http://a/", &[]), 200);
        assert_eq!(status(Version::HTTP_2, "http://a/", &[("host", "A")]), 200);
        assert_eq!(status(Version::HTTP_2, "http://a/", &[("host", "b")]), 400);
    }

    #[test]
    fn supports_only_the_expectation_100_continue() {
        for (expectation, expected) in
            [("100-continue", 200), ("100-Continue", 200), ("200-ok", 417), ("", 417)]
        {
            let headers = [("host", "a"), ("expect", expectation)];
            assert_eq!(status(Version::HTTP_11, "/", &headers), expected, "{expectation:?}");
        }
    }
}
