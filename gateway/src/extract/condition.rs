//! Conditional requests: `If-None-Match` and `If-Match`.

use std::convert::Infallible;

use crate::etag::{EntityTag, TagList};
use axum::{
    body::Bytes,
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, LINK, VARY},
};

/// The states of a resource that the client has cached. A malformed header matches none.
pub(crate) struct IfNoneMatch(Option<TagList>);

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(TagList::of(&parts.headers, &IF_NONE_MATCH)))
    }
}

impl IfNoneMatch {
    /// The response to a read: 304 without a body if the client has cached this state. Clients may cache it, and revalidate
    /// it at each request.
    pub(crate) fn respond(&self, tag: EntityTag, body: impl IntoResponse) -> Response {
        let headers = [(CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
        if self.0.as_ref().is_some_and(|tags| tags.contains(&tag)) {
            (StatusCode::NOT_MODIFIED, headers, tag, ()).into_response()
        } else {
            (headers, tag, body).into_response()
        }
    }

    /// The same for finished JSON, with the link to the next page of a list.
    pub(crate) fn respond_json(&self, tag: &EntityTag, next: Option<&HeaderValue>, body: Bytes) -> Response {
        let link = next.map(|next| [(LINK, next.clone())]);
        let content_type = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        self.respond(tag.clone(), (content_type, link, body))
    }
}

/// The states of a resource that the client wants to change.
pub(crate) struct IfMatch(Option<TagList>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(TagList::of(&parts.headers, &IF_MATCH)))
    }
}

impl IfMatch {
    /// The versions that may be changed; `None` for any version.
    pub(crate) fn versions(&self) -> Option<Vec<i64>> {
        self.0.as_ref()?.versions()
    }
}

#[cfg(test)]
mod tests {
    use http::header::ETAG;

    use super::*;

    fn if_none_match(header: Option<&'static str>) -> IfNoneMatch {
        let mut headers = http::HeaderMap::new();
        headers.extend(header.map(|value| (IF_NONE_MATCH, HeaderValue::from_static(value))));
        IfNoneMatch(TagList::of(&headers, &IF_NONE_MATCH))
    }

    #[test]
    fn returns_304_for_a_cached_state() {
        for header in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            let response = if_none_match(Some(header)).respond(EntityTag::of_version(7), "body");
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{header}");
            assert_eq!(response.headers()[ETAG], "\"7\"");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        }
    }

    #[test]
    fn returns_the_body_otherwise() {
        for header in [None, Some("\"6\""), Some("7"), Some("")] {
            let response = if_none_match(header).respond(EntityTag::of_version(7), "body");
            assert_eq!(response.status(), StatusCode::OK, "{header:?}");
            assert_eq!(response.headers()[ETAG], "\"7\"");
        }
    }

    #[test]
    fn a_page_has_a_link_to_the_next_one() {
        let next = HeaderValue::from_static("</products?cursor=x>; rel=\"next\"");
        let tag = EntityTag::of_version(7);
        let page = if_none_match(None).respond_json(&tag, Some(&next), Bytes::from_static(b"[1]"));
        assert_eq!(page.headers()[LINK], next);
        assert_eq!(page.headers()[CONTENT_TYPE], "application/json");
        assert_eq!(page.headers()[ETAG], "\"7\"");
        let last = if_none_match(None).respond_json(&tag, None, Bytes::from_static(b"[1]"));
        assert!(!last.headers().contains_key(LINK));
    }
}
