//! The `Stripe-Signature` header of webhook events.
//!
//! See <https://docs.stripe.com/webhooks#verify-manually>.

use std::fmt::Write as _;

use aws_lc_rs::hmac;

/// Returns the `Stripe-Signature` header of a payload: a timestamp in Unix seconds and a `v1` signature for each secret,
/// which includes its prefix `whsec_`. While an endpoint's secret is rolled there are two.
#[must_use]
pub fn signature_header(payload: &[u8], timestamp: i64, secrets: &[&str]) -> String {
    let mut header = format!("t={timestamp}");
    for secret in secrets {
        add(&mut header, "v1", payload, timestamp, secret);
    }
    header
}

/// Adds a signature of scheme `v0`, as Stripe does in test mode. Clients must not accept it.
pub(crate) fn add_v0(header: &mut String, payload: &[u8], timestamp: i64) {
    add(header, "v0", payload, timestamp, "not a secret");
}

fn add(header: &mut String, scheme: &str, payload: &[u8], timestamp: i64, secret: &str) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{timestamp}.").as_bytes());
    context.update(payload);
    header.push(',');
    header.push_str(scheme);
    header.push('=');
    for byte in context.sign().as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(header, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: Stripe's Python library, 16.1.0.
    #[test]
    fn matches_the_signatures_of_the_official_library() {
        assert_eq!(
            signature_header(br#"{"id":"evt_test","object":"event"}"#, 1_700_000_000, &["whsec_test_secret"]),
            "t=1700000000,v1=8042376f6ca064adbe037642a718227dfd59047137eb49497a54c49eb0cfb724"
        );
        let payload = "{\"id\":\"evt_u\",\"object\":\"event\",\"name\":\"Café 漢字 🛒\"}";
        assert_eq!(
            signature_header(payload.as_bytes(), 1_700_000_002, &["whsec_VbPEBjpn2Xv4xOcnUqRZdHsiCYbJ1J0O"]),
            "t=1700000002,v1=1c88c9383d575f3d150929df1ecb756f6c4166100d39500e62d6849d29ae97c3"
        );
    }

    #[test]
    fn has_one_signature_for_each_secret() {
        let one = |secret| signature_header(b"{}", 7, &[secret]);
        let both = signature_header(b"{}", 7, &["whsec_new", "whsec_old"]);
        assert_eq!(both, format!("{}{}", one("whsec_new"), one("whsec_old").trim_start_matches("t=7")));
    }
}
