//! Secrets that protect an installation: the rejection of those that can be guessed.

/// Words of placeholders in examples and templates. Long, so that a random secret contains none of them by chance.
const PLACEHOLDERS: [&str; 8] = [
    "changeme",
    "replaceme",
    "placeholder",
    "yoursecret",
    "mysecret",
    "supersecret",
    "examplesecret",
    "password",
];
const MIN_BYTES: usize = 32;
/// Even 32 random decimal digits have more different ones, except once in 50,000 times.
const MIN_DISTINCT: usize = 7;

/// Checks a secret that authenticates processes or encrypts data.
///
/// # Errors
/// When it is short, a placeholder, or has few different characters, a repetition or a sequence such as `0123456789`. The
/// error is the reason, without the secret.
pub fn check_secret(text: &str) -> Result<(), String> {
    let reason = if text.len() < MIN_BYTES {
        format!("must have at least {MIN_BYTES} bytes")
    } else if is_placeholder(text) {
        "must not be a placeholder".to_owned()
    } else if is_predictable(text.as_bytes()) {
        "must be random".to_owned()
    } else {
        return Ok(());
    };
    Err(format!("{reason}; `openssl rand -base64 32` generates a secret"))
}

fn is_placeholder(text: &str) -> bool {
    let letters: String = text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    PLACEHOLDERS.iter().any(|word| letters.contains(word))
}

fn is_predictable(bytes: &[u8]) -> bool {
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let is_repetition = (1..=bytes.len() / 2)
        .any(|period| bytes.iter().zip(&bytes[period..]).all(|(one, other)| one == other));
    let steps = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    distinct.len() < MIN_DISTINCT || is_repetition || steps > bytes.len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_short_secrets_placeholders_and_patterns() {
        for (secret, reason) in [
            ("7d0fKq2vXw", "must have at least 32 bytes"),
            ("changemechangemechangemechangeme", "placeholder"),
            ("change-me-to-a-long-random-string", "placeholder"),
            ("Your_Secret_Key_Must_Be_Long_Enough", "placeholder"),
            ("00000000000000000000000000000000", "random"),
            ("abababababababababababababababab", "random"),
            ("0123456789abcdef0123456789abcdef", "random"),
            ("abcdefghijklmnopqrstuvwxyz012345", "random"),
            ("7d0fKq2vXw7d0fKq2vXw7d0fKq2vXw7d", "random"),
        ] {
            let error = check_secret(secret).unwrap_err();
            assert!(error.contains(reason) && !error.contains(secret), "{secret}: {error}");
        }
    }

    #[test]
    fn accepts_random_secrets_of_any_alphabet() {
        for _ in 0..10_000 {
            let bytes: [u8; 32] = rand::random();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            check_secret(&hex).unwrap();
            check_secret(&hex[..32]).unwrap();
            let letters: String = bytes.iter().map(|byte| char::from(b'!' + byte % 94)).collect();
            check_secret(&letters).unwrap();
        }
    }
}
