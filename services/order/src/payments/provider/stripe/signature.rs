//! Signatures of webhook requests: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>..]`, where `v1` is the HMAC-SHA256 of
//! `<seconds>.<body>` with the endpoint's secret. See <https://docs.stripe.com/webhooks/signature>.

use aws_lc_rs::{constant_time, hmac};
use time::OffsetDateTime;

/// The largest difference between a signature's time and the local clock.
const TOLERANCE_SECONDS: u64 = 300;
/// An HMAC-SHA256.
type Signature = [u8; 32];

/// The secrets of the webhook endpoint: more than one while the secret is being rolled.
pub(super) struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// Creates the keys from the secrets, as Stripe's dashboard shows them.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self(secrets.into_iter().map(key).collect())
    }

    /// Returns whether `header` signs the bytes of `payload` with one of the secrets, within five minutes of `now`.
    pub(super) fn verify(&self, payload: &[u8], header: &str, now: OffsetDateTime) -> bool {
        let Some(Header { timestamp, signatures }) = Header::parse(header) else { return false };
        let Ok(seconds) = timestamp.parse::<i64>() else { return false };
        if seconds.abs_diff(now.unix_timestamp()) > TOLERANCE_SECONDS {
            return false;
        }
        self.0.iter().any(|secret| {
            let mut hmac = hmac::Context::with_key(secret);
            hmac.update(timestamp.as_bytes());
            hmac.update(b".");
            hmac.update(payload);
            let expected = hmac.sign();
            let is_expected = |signature: &Signature| {
                constant_time::verify_slices_are_equal(expected.as_ref(), signature).is_ok()
            };
            signatures.iter().any(is_expected)
        })
    }
}

/// The parts of a header that the scheme `v1` uses.
struct Header<'a> {
    /// As text, because the text is part of the signed payload.
    timestamp: &'a str,
    signatures: Vec<Signature>,
}

impl<'a> Header<'a> {
    /// Parses `name=value,..`. Returns `None` if a part has another form, or there is not exactly one `t`.
    fn parse(header: &'a str) -> Option<Self> {
        let mut timestamp = None;
        let mut signatures = Vec::new();
        for item in header.split(',') {
            match item.split_once('=')? {
                ("t", value) if timestamp.is_none() => timestamp = Some(value),
                ("t", _) => return None,
                // A value that is not an HMAC-SHA256 is ignored: it cannot match.
                ("v1", value) => signatures.extend(from_hex(value)),
                // Other schemes do not replace `v1`: `v0` is a fake one for tests.
                _ => {}
            }
        }
        Some(Self { timestamp: timestamp?, signatures })
    }
}

fn from_hex(text: &str) -> Option<Signature> {
    let digits = text.as_bytes();
    let mut signature = Signature::default();
    if digits.len() != 2 * signature.len() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(signature)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::payments::provider::stripe::vectors::{NOW, OTHER_SECRET, SECRET, VECTORS, Vector};

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn is_valid(secret: &str, payload: &[u8], header: &str, now: i64) -> bool {
        Secrets::new([secret]).verify(payload, header, at(now))
    }

    /// Returns a payload, its header, and the signature in it.
    fn signed() -> (&'static [u8], &'static str, &'static str) {
        let Vector { payload, header, .. } = VECTORS[0];
        (payload.as_bytes(), header, header.split_once("v1=").unwrap().1)
    }

    #[test]
    fn verifies_headers_like_the_official_sdk() {
        for vector in VECTORS {
            let verdict = is_valid(SECRET, vector.payload.as_bytes(), vector.header, NOW);
            assert_eq!(verdict, vector.is_valid, "{}", vector.name);
        }
        assert!(
            VECTORS.iter().any(|vector| vector.is_valid) && VECTORS.iter().any(|vector| !vector.is_valid)
        );
    }

    #[test]
    fn any_of_the_secrets_may_have_signed() {
        let (payload, header, _) = signed();
        let verdict =
            |secrets: &[&str]| Secrets::new(secrets.iter().copied()).verify(payload, header, at(NOW));
        assert!(verdict(&[SECRET, OTHER_SECRET]) && verdict(&[OTHER_SECRET, SECRET]));
        assert!(!verdict(&[OTHER_SECRET]) && !verdict(&[]));
    }

    #[test]
    fn signatures_are_valid_for_five_minutes_before_and_after() {
        let (payload, header, _) = signed();
        for (offset, verdict) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            assert_eq!(is_valid(SECRET, payload, header, NOW + offset), verdict, "{offset}");
        }
    }

    #[test]
    fn rejects_any_altered_byte() {
        let (payload, header, _) = signed();
        for index in 0..payload.len() {
            let mut altered = payload.to_vec();
            altered[index] ^= 1;
            assert!(!is_valid(SECRET, &altered, header, NOW), "byte {index}");
        }
        assert!(!is_valid(SECRET, &[payload, b"\n"].concat(), header, NOW));
        for index in 0..header.len() {
            let mut altered = header.as_bytes().to_vec();
            altered[index] ^= 1;
            let Ok(altered) = String::from_utf8(altered) else { continue };
            assert!(!is_valid(SECRET, payload, &altered, NOW), "{altered}");
        }
    }

    #[test]
    fn rejects_malformed_headers() {
        let (payload, _, signature) = signed();
        for header in [
            String::new(),
            "t".to_owned(),
            format!("t={NOW}"),
            format!("v1={signature}"),
            format!("t={NOW},v0={signature}"),
            format!("t={NOW},v2={signature}"),
            format!("t={NOW},V1={signature}"),
            format!("t={NOW},v1={signature},"),
            format!("t={NOW},t={NOW},v1={signature}"),
            format!("t={NOW},v1"),
            format!("t=,v1={signature}"),
            format!("t=now,v1={signature}"),
            format!("t=+{NOW},v1={signature}"),
            format!("t={NOW}.0,v1={signature}"),
            format!("t=99999999999999999999,v1={signature}"),
            format!("t={NOW},v1={}", &signature[1..]),
            format!("t={NOW},v1={signature}0"),
            format!("t={NOW};v1={signature}"),
        ] {
            assert!(!is_valid(SECRET, payload, &header, NOW), "{header}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(
            header in prop_oneof![".*", "(t=[0-9+-]{0,25},?)?(v[01]=[0-9a-fA-Fg=é]{0,66},?){0,4}"],
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assert!(!is_valid(SECRET, &payload, &header, NOW));
        }

        #[test]
        fn parses_signatures_as_hex(bytes in any::<[u8; 32]>()) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(from_hex(&hex), Some(bytes));
        }
    }
}
