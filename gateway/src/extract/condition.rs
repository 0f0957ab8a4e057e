//! What a client makes its request depend on: the state of a resource that it has seen.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH, LINK, VARY},
};
use serde::Serialize;

use crate::{
    etag::{EntityTag, Listed},
    problem::Problem,
};

/// The states that a reader has already. One that cannot be read is as good as none.
pub(crate) struct IfNoneMatch(Option<Listed>);

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Listed::of(&parts.headers, &IF_NONE_MATCH)))
    }
}

impl IfNoneMatch {
    /// The answer to a read: 304 without the body where the reader has this state already. It may be kept, and is
    /// asked for again each time.
    pub(crate) fn answer(&self, tag: EntityTag, body: impl IntoResponse) -> Response {
        let headers = [(CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
        if self.0.as_ref().is_some_and(|listed| listed.has(&tag)) {
            (StatusCode::NOT_MODIFIED, headers, tag, ()).into_response()
        } else {
            (headers, tag, body).into_response()
        }
    }

    /// The answer to a read of a list, whose state is known by its bytes and the link to its next page.
    ///
    /// # Errors
    /// An internal problem when the list is no JSON.
    pub(crate) fn answer_list(
        &self,
        list: &impl Serialize,
        next: Option<HeaderValue>,
    ) -> Result<Response, Problem> {
        let body = serde_json::to_vec(list).map_err(|cause| {
            tracing::error!("a list is no JSON: {cause}");
            Problem::internal()
        })?;
        let tag = EntityTag::of_bytes(&body, next.as_ref().map_or(&[], HeaderValue::as_bytes));
        Ok(self.answer(tag, ([(CONTENT_TYPE, "application/json")], next.map(|next| [(LINK, next)]), body)))
    }
}

/// The states that a writer means to change.
pub(crate) struct IfMatch(Option<Listed>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Listed::of(&parts.headers, &IF_MATCH)))
    }
}

impl IfMatch {
    /// The versions that may be changed; `None` when any may.
    pub(crate) fn versions(&self) -> Option<Vec<i64>> {
        self.0.as_ref()?.versions()
    }
}

#[cfg(test)]
mod tests {
    use http::header::ETAG;

    use super::*;

    fn reader(header: Option<&'static str>) -> IfNoneMatch {
        let mut headers = http::HeaderMap::new();
        headers.extend(header.map(|value| (IF_NONE_MATCH, HeaderValue::from_static(value))));
        IfNoneMatch(Listed::of(&headers, &IF_NONE_MATCH))
    }

    #[test]
    fn a_reader_that_has_this_state_gets_no_body() {
        for header in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            let response = reader(Some(header)).answer(EntityTag::of_version(7), "body");
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{header}");
            assert_eq!(response.headers()[ETAG], "\"7\"");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
        }
    }

    #[test]
    fn any_other_reader_gets_it_all() {
        for header in [None, Some("\"6\""), Some("7"), Some("")] {
            let response = reader(header).answer(EntityTag::of_version(7), "body");
            assert_eq!(response.status(), StatusCode::OK, "{header:?}");
            assert_eq!(response.headers()[ETAG], "\"7\"");
        }
    }

    #[test]
    fn a_list_with_a_next_page_is_another_list() {
        let next = HeaderValue::from_static("</products?cursor=x>; rel=\"next\"");
        let last = reader(None).answer_list(&[1], None).unwrap();
        let full = reader(None).answer_list(&[1], Some(next.clone())).unwrap();
        assert_ne!(last.headers()[ETAG], full.headers()[ETAG]);
        assert_eq!(full.headers()[LINK], next);
        assert_eq!(full.headers()[CONTENT_TYPE], "application/json");
    }
}
