//! Entity tags (RFC 9110, 8.8.3): what tells one state of a resource from another, and lists of them.

use std::convert::Infallible;

use aws_lc_rs::digest::{Context, SHA256};
use axum::response::{IntoResponseParts, ResponseParts};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header::ETAG};

/// Bytes of a hash that are enough to tell states apart.
const HASH_BYTES: usize = 16;

/// The tag of a state. All of ours are strong. It holds what stands between the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// Of something that counts its versions.
    pub(crate) fn of_version(version: i64) -> Self {
        Self(version.to_string())
    }

    /// Of something that is known by its bytes alone. Parts that are not there count as empty.
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

/// The tags that an `If-Match` or `If-None-Match` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// `*`: whatever there is.
    Any,
    /// Each with whether it is weak.
    Tags(Vec<(bool, EntityTag)>),
}

impl Listed {
    /// The tags of all lines of a header. `None` when there is no such header; no tags when it cannot be read.
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
            let (opaque, behind) = quoted.strip_prefix('"')?.split_once('"')?;
            tags.push((weak, EntityTag(opaque.to_owned())));
            let behind = behind.trim_start();
            if !behind.is_empty() && !behind.starts_with(',') {
                return None;
            }
            rest = behind.trim_start_matches([',', ' ', '\t']);
        }
        Some(Self::Tags(tags))
    }

    /// The weak comparison: the same state for a reader.
    pub(crate) fn has(&self, tag: &EntityTag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|(_, listed)| listed == tag),
        }
    }

    /// The versions whose tags are listed, weak ones left out: the strong comparison, for writers.
    /// `None` when any version will do.
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

    fn listed(lines: &[&str]) -> Option<Listed> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, HeaderValue::from_str(line).unwrap());
        }
        Listed::of(&headers, &IF_MATCH)
    }

    fn tag(text: &str) -> EntityTag {
        EntityTag(text.to_owned())
    }

    #[test]
    fn every_tag_of_a_list_is_read() {
        let all = listed(&[r#""7", W/"8""#, r#""a, b" ,, "","#]).unwrap();
        let expected = [(false, "7"), (true, "8"), (false, "a, b"), (false, "")];
        assert_eq!(all, Listed::Tags(expected.map(|(weak, text)| (weak, tag(text))).to_vec()));
        assert_eq!(listed(&[" * "]), Some(Listed::Any));
        assert_eq!(listed(&[]), None);
    }

    #[test]
    fn what_cannot_be_read_lists_nothing() {
        for text in ["7", "\"7", "\"7\" \"8\"", "w/\"7\"", "\"7\", *", "W/ \"7\"", "\"7\";"] {
            assert_eq!(listed(&[text]), Some(Listed::Tags(Vec::new())), "{text}");
        }
    }

    #[test]
    fn readers_do_not_mind_a_weak_tag_and_writers_do() {
        let listed = listed(&[r#"W/"7", "8""#]).unwrap();
        assert!(listed.has(&EntityTag::of_version(7)) && listed.has(&EntityTag::of_version(8)));
        assert!(!listed.has(&EntityTag::of_version(9)));
        assert_eq!(listed.versions(), Some(vec![8]));
        assert_eq!(Listed::Any.versions(), None);
    }

    #[test]
    fn a_tag_that_is_not_of_a_version_names_none() {
        let listed = listed(&[r#""abc", "+7", "007", "7.0", "99999999999999999999", """#]).unwrap();
        assert_eq!(listed.versions(), Some(Vec::new()));
    }

    #[test]
    fn other_bytes_have_another_tag() {
        let tag = EntityTag::of_bytes(b"[]", b"");
        assert_eq!(tag, EntityTag::of_bytes(b"[]", b""));
        assert_ne!(tag, EntityTag::of_bytes(b"[1]", b""));
        assert_ne!(tag, EntityTag::of_bytes(b"[]", b"</products?cursor=x>"));
    }
}
