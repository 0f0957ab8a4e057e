//! Validation of image URLs that clients send.

use bodega_runtime::status::Violations;

const MAX_URL_CHARS: usize = 2_000;

/// Validates the field `image_url`. Returns `None` if it is empty.
pub(super) fn parse(url: String, violations: &mut Violations) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    let fits = url.chars().count() <= MAX_URL_CHARS;
    violations.require(fits, "image_url", format!("must have at most {MAX_URL_CHARS} characters"));
    let message = "must be an http or https URL, or a path such as /a.png";
    violations.require(is_image_url(&url), "image_url", message);
    Some(url)
}

/// Returns whether a browser resolves the URL to an http or https URL, or to a path on this host.
fn is_image_url(url: &str) -> bool {
    // Browsers read a backslash as a slash, so `/\host` would be another host.
    if url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return false;
    }
    if url.starts_with('/') {
        return !url.starts_with("//"); // a URL of another host
    }
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && !host.is_empty()
        && !host.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_http_urls_and_absolute_paths_only() {
        for url in
            ["/media/a.png", "https://example.com/a.png?x=1", "HTTP://example.com", "http://[::1]:80/é.png"]
        {
            assert!(is_image_url(url), "{url}");
        }
        let rejected = [
            "a.png",
            "//example.com/a.png",
            "/\\example.com",
            "ftp://example.com/a",
            "javascript:alert(1)",
            "data:image/png;base64,",
            "http://",
            "https:///a.png",
            "http://:80/",
            "https://example.com/a b",
            "/a\nb",
            "http:/example.com",
            "http://user@/a",
        ];
        for url in rejected {
            assert!(!is_image_url(url), "{url}");
        }
    }
}
