//! The text of a snapshot: without usual headers, and with placeholders for values that differ in each run.

use std::sync::LazyLock;

use regex::Regex;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Headers that every response has. They are recorded only if they differ from these values.
pub(super) const USUAL_HEADERS: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
    ("vary", "origin"),
    ("vary", "accept-encoding"),
    (
        "access-control-expose-headers",
        "etag,link,location,retry-after,ratelimit,ratelimit-policy,x-cart-token,x-request-id",
    ),
];

/// Headers that differ from run to run, or with the length of a free text.
pub(super) const IGNORED_HEADERS: [&str; 3] = ["date", "content-length", "x-request-id"];

/// Placeholders, and the JSON fields and headers whose value they replace: it differs in each run, or may change.
pub(super) const PLACEHOLDERS: [(&str, &[&str]); 8] = [
    ("<text>", &["title", "detail", "message"]),
    ("<request id>", &["requestId", "x-request-id"]),
    ("<token>", &["refreshToken", "cartToken", "x-cart-token", "accessToken", "x-order-token"]),
    ("<cursor>", &["nextCursor"]),
    ("<time>", &["last-modified"]),
    ("<etag>", &["etag", "if-match", "if-none-match"]),
    ("<key>", &["kid", "x", "secret"]),
    ("<stripe>", &["clientSecret", "paymentIntentId", "refundId", "stripe-signature"]),
];

pub(super) static PATTERNS: LazyLock<[(Regex, &str); 9]> = LazyLock::new(|| {
    [
        (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "<time>"),
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<access token>"),
        (r#""[\w-]{43}""#, "\"<token>\""),
        (r"cursor=[\w%-]+", "cursor=<cursor>"),
        (r#""[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}""#, "\"<recovery code>\""),
        (r#""code":"\d{6}""#, r#""code":"<code>""#),
        (r"secret=[A-Z2-7]{32}", "secret=<secret>"),
        (r"bodega_[\w-]{43}", "<API key>"),
        (r"/media/[\w./-]+", "/media/<key>"),
    ]
    .map(|(pattern, placeholder)| (Regex::new(pattern).unwrap(), placeholder))
});

pub(super) static UUID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap());

pub(super) fn placeholder(name: &str) -> Option<&'static str> {
    let found = PLACEHOLDERS.iter().find(|(_, names)| names.contains(&name));
    found.map(|(placeholder, _)| *placeholder)
}

/// Headers by name, without the boundary of a multipart body.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = value.split("; boundary=").next().unwrap_or_default();
        (name.to_string(), value.to_owned())
    });
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort();
    pairs
}

pub(super) fn replace_values(json: &mut Value) {
    match json {
        Value::Array(values) => values.iter_mut().for_each(replace_values),
        Value::Object(fields) => {
            for (name, value) in fields {
                match placeholder(name) {
                    Some(placeholder) if value.is_string() => *value = placeholder.into(),
                    _ => replace_values(value),
                }
            }
        }
        _ => {}
    }
}
