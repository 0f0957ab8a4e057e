//! Parsing and checking of storage settings.

use anyhow::bail;

/// Treats an empty setting as absent.
pub(crate) fn non_empty(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

/// Returns settings that are required together.
///
/// # Errors
/// When some are missing; names all of those.
pub(crate) fn require_all<'a, const N: usize>(
    storage: &str,
    settings: [(&str, Option<&'a str>); N],
) -> anyhow::Result<[&'a str; N]> {
    let missing: Vec<_> =
        settings.iter().filter(|(_, value)| value.is_none()).map(|&(name, _)| name).collect();
    if !missing.is_empty() {
        bail!("to store images {storage}, also set {}", missing.join(" and "));
    }
    Ok(settings.map(|(_, value)| value.unwrap_or_default()))
}

/// Parses a base URL and removes its trailing slashes.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let is_base = |url: &reqwest::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match reqwest::Url::parse(text) {
        _ if text.is_empty() => Ok(String::new()),
        Ok(url) if is_base(&url) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("must be a URL such as https://images.example.com".to_owned()),
    }
}

/// Parses a name that becomes a part of URLs.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match text {
        "." | ".." => Err("must be a name".to_owned()),
        _ if text.bytes().all(is_plain) => Ok(text.to_owned()),
        _ => Err("must consist of letters, digits, '-', '_' and '.'".to_owned()),
    }
}
