//! Recovery codes: random, shown once, stored as hashes, and used once.

use aws_lc_rs::digest::{SHA256, digest};

/// Number of codes that a user gets.
const COUNT: usize = 10;
const LENGTH: usize = 16;
const GROUP: usize = 4;
/// 32 characters, 5 bits each. Without `I`, `L`, `O` and `U`, which are mistaken for others (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The SHA-256 of a code. A code has 80 random bits, so a slow hash would add nothing.
pub(super) type Hash = [u8; 32];

/// Generates codes like `7Z3K-0QPX-M8NA-2WVC`.
pub(super) fn generate() -> Vec<String> {
    (0..COUNT).map(|_| generate_one()).collect()
}

fn generate_one() -> String {
    let bytes: [u8; LENGTH] = rand::random();
    let characters: Vec<_> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = characters.chunks(GROUP).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// Returns the hash of a code as typed: in any case, with or without hyphens and spaces. `None` for a text that is no code.
pub(super) fn hash(text: &str) -> Option<Hash> {
    let code: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'-' | b' '))
        .map(|byte| match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            byte => byte,
        })
        .collect();
    let is_code = code.len() == LENGTH && code.iter().all(|byte| ALPHABET.contains(byte));
    is_code.then(|| {
        let mut hash = Hash::default();
        hash.copy_from_slice(digest(&SHA256, &code).as_ref());
        hash
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn generates_different_codes() {
        let codes: HashSet<_> = generate().into_iter().chain(generate()).collect();
        assert_eq!(codes.len(), 20);
        assert!(codes.iter().all(|code| hash(code).is_some() && code.len() == 19), "{codes:?}");
    }

    #[test]
    fn accepts_a_code_as_people_type_it() {
        let expected = hash("10AB-0QPX-M8NA-2WVC");
        assert!(expected.is_some());
        for text in ["10ab0qpxm8na2wvc", "LOab oqpx m8na 2wvc", "io-AB0QPX-M8NA2WVC"] {
            assert_eq!(hash(text), expected, "{text}");
        }
        for text in ["", "123456", "10AB-0QPX-M8NA-2WV", "10AB-0QPX-M8NA-2WVCC", "10AB-0QPX-M8NA-2WV!"] {
            assert_eq!(hash(text), None, "{text}");
        }
    }
}
