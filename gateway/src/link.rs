//! `Link` headers (RFC 8288), for lists that are plain arrays.

use http::{HeaderValue, Uri};

/// The link to the next page: the same request with another `cursor`. `None` on the last page, where the cursor is empty.
pub(crate) fn next(uri: &Uri, cursor: &str) -> Option<HeaderValue> {
    if cursor.is_empty() {
        return None;
    }
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query.filter(|(name, _)| name != "cursor"))
        .append_pair("cursor", cursor)
        .finish();
    HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", uri.path())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_parameters_of_the_request() {
        for (uri, link) in [
            ("/products", "</products?cursor=abc>; rel=\"next\""),
            ("/products?limit=5&cursor=old", "</products?limit=5&cursor=abc>; rel=\"next\""),
            ("/products?tag=a&tag=b%26c", "</products?tag=a&tag=b%26c&cursor=abc>; rel=\"next\""),
            ("/products?q=%3E%22", "</products?q=%3E%22&cursor=abc>; rel=\"next\""),
        ] {
            assert_eq!(next(&uri.parse().unwrap(), "abc").unwrap(), link, "{uri}");
        }
    }

    #[test]
    fn the_last_page_has_no_link() {
        assert_eq!(next(&"/products".parse().unwrap(), ""), None);
    }
}
