//! An authenticator app: RFC 6238 written once more, so that the tests do not depend on the library of the service.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

/// Codes of one secret.
pub(crate) struct Authenticator {
    pub(crate) secret: Vec<u8>,
    /// The step of the first code. The next two codes are valid for at least 30 seconds.
    step: u64,
}

impl Authenticator {
    /// Reads a secret in base 32.
    pub(crate) fn new(secret: &str) -> Self {
        let bits = secret.bytes().flat_map(|character| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
            let value = alphabet.iter().position(|known| *known == character).unwrap();
            (0..5).rev().map(move |bit| value >> bit & 1)
        });
        let bits: Vec<_> = bits.collect();
        let secret =
            bits.chunks_exact(8).map(|byte| byte.iter().fold(0_u8, |byte, bit| byte << 1 | *bit as u8));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { secret: secret.collect(), step: now / 30 }
    }

    /// Returns the code that is this number of steps after the first one.
    pub(crate) fn code(&self, steps: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &(self.step + steps).to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

#[test]
fn has_the_codes_of_rfc_6238() {
    // The RFC has 8 digits; 6 digits are the last ones of the same number.
    for (time, code) in [(59, "94287082"), (1_111_111_109, "07081804"), (20_000_000_000, "65353130")] {
        let authenticator =
            Authenticator { step: time / 30, ..Authenticator::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") };
        assert_eq!(authenticator.code(0), code[2..], "{time}");
    }
}
