//! Time-based one-time passwords with the parameters that all authenticator apps support: SHA-1, 6 digits, 30 seconds.

use anyhow::anyhow;
use totp_rs::{Algorithm, Builder, Totp};

/// The recommendation of RFC 4226.
pub(super) const SECRET_BYTES: usize = 20;

const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
/// Codes of the previous and the next step are accepted too, as RFC 6238 recommends.
const SKEW_STEPS: u16 = 1;
const ISSUER: &str = "Bodega";

/// A secret as authenticator apps read it.
pub(super) struct Enrollment {
    /// In base 32, to be typed.
    pub(super) secret: String,
    /// `otpauth://totp/...`, to be shown as a QR code.
    pub(super) url: String,
}

pub(super) fn enrollment(secret: &[u8], email: &str) -> anyhow::Result<Enrollment> {
    // An app reads the text before the first colon as the issuer.
    let totp = totp(secret, &email.replace(':', "_"))?;
    let url = totp.to_url().map_err(|error| anyhow!("no URL of a second factor: {error}"))?;
    Ok(Enrollment { secret: totp.secret().to_base32(), url })
}

/// Returns the step of a code that is valid at `time`, in seconds since 1970.
pub(super) fn check(secret: &[u8], code: &str, time: u64) -> anyhow::Result<Option<u64>> {
    let is_code = code.len() == usize::from(DIGITS) && code.bytes().all(|byte| byte.is_ascii_digit());
    Ok(if is_code { totp(secret, "")?.check(code, time) } else { None })
}

fn totp(secret: &[u8], account: &str) -> anyhow::Result<Totp> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(DIGITS)
        .with_step_duration(STEP_SECONDS)
        .with_skew(SKEW_STEPS)
        .with_secret(secret.to_vec())
        .with_issuer(Some(ISSUER))
        .with_account_name(account)
        .build()
        .map_err(|error| anyhow!("invalid secret of a second factor: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the test vectors of RFC 6238, appendix B.
    const SECRET: &[u8; SECRET_BYTES] = b"12345678901234567890";

    #[test]
    fn accepts_the_codes_of_rfc_6238() {
        // The RFC has 8 digits; 6 digits are the last ones of the same number.
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(check(SECRET, &code[2..], time).unwrap(), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn accepts_the_previous_and_the_next_step_only() {
        let code = "287082"; // of step 1, from second 30 to 59
        for (time, is_accepted) in [(0, true), (29, true), (30, true), (89, true), (90, false), (1000, false)]
        {
            let step = check(SECRET, code, time).unwrap();
            assert_eq!(step, is_accepted.then_some(1), "{time}");
        }
    }

    #[test]
    fn rejects_what_is_not_a_code() {
        for text in ["", "94287082", "28708", "287082 ", "２８７０８２", "+87082", "28708a"] {
            assert_eq!(check(SECRET, text, 59).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn names_shop_and_account_in_the_url() {
        let enrollment = enrollment(SECRET, "ada:x@example.com").unwrap();
        assert_eq!(enrollment.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            enrollment.url,
            "otpauth://totp/Bodega:ada_x%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Bodega"
        );
    }
}
