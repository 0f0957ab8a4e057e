//! How Cloudinary knows who calls.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::secret::Secret;

/// The signature of a call's parameters, by the second version of the scheme: those that are empty do not count, and an
/// `&` in a value is written so that no value can pass for two parameters.
pub(super) fn sign<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>, secret: &Secret) -> String {
    let mut params: Vec<_> = params
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}").replace('&', "%26"))
        .collect();
    params.sort();
    let signed = params.join("&") + secret.expose();
    digest(&SHA1_FOR_LEGACY_USE_ONLY, signed.as_bytes()).as_ref().iter().fold(
        String::new(),
        |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        },
    )
}
