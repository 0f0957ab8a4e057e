//! Signatures of Cloudinary API calls.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use secrecy::{ExposeSecret as _, SecretString};

/// Signs the parameters of a call with version 2 of the scheme: empty values are left out, and an `&` in a value is escaped
/// so that it cannot add a parameter.
pub(super) fn sign<'a>(
    params: impl IntoIterator<Item = (&'a str, &'a str)>,
    secret: &SecretString,
) -> String {
    let mut params: Vec<_> = params
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}").replace('&', "%26"))
        .collect();
    params.sort();
    let signed = params.join("&") + secret.expose_secret();
    digest(&SHA1_FOR_LEGACY_USE_ONLY, signed.as_bytes()).as_ref().iter().fold(
        String::new(),
        |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        },
    )
}
