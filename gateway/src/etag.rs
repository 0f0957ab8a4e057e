//! Entity tags (RFC 9110, section 8.8.3), and the lists of them in conditional headers.
//!
//! The types of the `headers` crate do not provide the tags of an `If-Match` list, which the services need as versions.

use std::convert::Infallible;

use aws_lc_rs::digest::{Context, SHA256};
use axum::response::{IntoResponseParts, ResponseParts};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::ETAG};

/// Number of bytes of the hash in a tag: enough to avoid collisions.
const HASH_BYTES: usize = 16;

/// An entity tag without its quotes. All tags of the API are strong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// The tag of a resource with a version.
    pub(crate) fn of_version(version: i64) -> Self {
        Self(version.to_string())
    }

    /// The tag of a resource without a version, from its body and its `Link` header.
    pub(crate) fn of_bytes(body: &[u8], link: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(body);
        context.update(link);
        let hash = context.finish();
        Self(BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..HASH_BYTES]))
    }
}

impl IntoResponseParts for EntityTag {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        if let Ok(value) = HeaderValue::try_from(format!("\"{}\"", self.0)) {
            parts.headers_mut().insert(ETAG, value);
        }
        Ok(parts)
    }
}

/// The entity tags of an `If-Match` or `If-None-Match` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TagList {
    /// `*`: any state.
    Any,
    /// Tags; the flag is true for weak ones.
    Tags(Vec<(bool, EntityTag)>),
}

impl TagList {
    /// The tags of all lines of a header. `None` without such a header; no tags if it is malformed.
    pub(crate) fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let lines: Vec<_> =
            headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        if lines.is_empty() {
            return None;
        }
        Some(Self::parse(&lines.join(",")).unwrap_or(Self::Tags(Vec::new())))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (weak, quoted) = match rest.strip_prefix("W/") {
                Some(quoted) => (true, quoted),
                None => (false, rest),
            };
            let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
            tags.push((weak, EntityTag(opaque.to_owned())));
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
            rest = after.trim_start_matches([',', ' ', '\t']);
        }
        Some(Self::Tags(tags))
    }

    /// Whether the list contains `tag`, by weak comparison.
    pub(crate) fn contains(&self, tag: &EntityTag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|(_, listed)| listed == tag),
        }
    }

    /// The versions in the list, by strong comparison: without weak tags. `None` for any version.
    pub(crate) fn versions(&self) -> Option<Vec<i64>> {
        match self {
            Self::Any => None,
            Self::Tags(tags) => Some(
                tags.iter()
                    .filter(|(weak, _)| !weak)
                    .filter_map(|(_, tag)| Some((tag, tag.0.parse().ok()?)))
                    .filter(|(tag, version)| **tag == EntityTag::of_version(*version))
                    .map(|(_, version)| version)
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::IF_MATCH;

    use super::*;

    fn parse(lines: &[&str]) -> Option<TagList> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        TagList::of(&headers, &IF_MATCH)
    }

    fn tag(text: &str) -> EntityTag {
        EntityTag(text.to_owned())
    }

    #[test]
    fn reads_all_tags_of_a_list() {
        let all = parse(&[r#""7", W/"8""#, r#""a, b" ,, "","#]).unwrap();
        let expected = [(false, "7"), (true, "8"), (false, "a, b"), (false, "")];
        assert_eq!(all, TagList::Tags(expected.map(|(weak, text)| (weak, tag(text))).to_vec()));
        assert_eq!(parse(&[" * "]), Some(TagList::Any));
        assert_eq!(parse(&[]), None);
    }

    #[test]
    fn a_malformed_list_has_no_tags() {
        for text in ["7", "\"7", "\"7\" \"8\"", "w/\"7\"", "\"7\", *", "W/ \"7\"", "\"7\";"] {
            assert_eq!(parse(&[text]), Some(TagList::Tags(Vec::new())), "{text}");
        }
    }

    #[test]
    fn weak_tags_match_in_reads_only() {
        let list = parse(&[r#"W/"7", "8""#]).unwrap();
        assert!(list.contains(&EntityTag::of_version(7)) && list.contains(&EntityTag::of_version(8)));
        assert!(!list.contains(&EntityTag::of_version(9)));
        assert_eq!(list.versions(), Some(vec![8]));
        assert_eq!(TagList::Any.versions(), None);
    }

    #[test]
    fn ignores_tags_that_are_not_versions() {
        let list = parse(&[r#""abc", "+7", "007", "7.0", "99999999999999999999", """#]).unwrap();
        assert_eq!(list.versions(), Some(Vec::new()));
    }

    #[test]
    fn the_tag_depends_on_body_and_link() {
        let tag = EntityTag::of_bytes(b"[]", b"");
        assert_eq!(tag, EntityTag::of_bytes(b"[]", b""));
        assert_ne!(tag, EntityTag::of_bytes(b"[1]", b""));
        assert_ne!(tag, EntityTag::of_bytes(b"[]", b"</products?cursor=x>"));
    }
}
