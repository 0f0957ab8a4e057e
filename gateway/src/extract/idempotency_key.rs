//! The `Idempotency-Key` header of a request that must be processed once.

use axum::{extract::FromRequestParts, http::request::Parts};
use http::HeaderMap;

use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
const MAX_LENGTH: usize = 255;

/// The client's key, 1 to 255 visible ASCII characters; empty without one.
pub(crate) struct IdempotencyKey(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.headers)
    }
}

fn read(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut lines = headers.get_all(HEADER).iter();
    let Some(line) = lines.next() else { return Ok(IdempotencyKey(String::new())) };
    if lines.next().is_some() {
        return Err(Problem::malformed("Idempotency-Key", "is given twice"));
    }
    match line.to_str() {
        Ok(key)
            if (1..=MAX_LENGTH).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(IdempotencyKey(key.to_owned()))
        }
        _ => {
            let message = format!("must have 1 to {MAX_LENGTH} visible ASCII characters");
            Err(Problem::malformed("Idempotency-Key", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HEADER, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        read(&headers).ok().map(|key| key.0)
    }

    #[test]
    fn accepts_visible_ascii() {
        let longest = "k".repeat(255);
        assert_eq!(key(&[]).as_deref(), Some(""));
        assert_eq!(key(&["8e03978e-40d5"]).as_deref(), Some("8e03978e-40d5"));
        assert_eq!(key(&[&longest]), Some(longest));
    }

    #[test]
    fn rejects_an_invalid_or_repeated_key() {
        let too_long = "k".repeat(256);
        for lines in [&[""][..], &["a b"], &["clé"], &["a\tb"], &[&too_long], &["a", "a"]] {
            assert_eq!(key(lines), None, "{lines:?}");
        }
    }
}
