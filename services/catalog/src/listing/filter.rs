//! Which products to list: a request, checked.

use bodega_proto::catalog::v1::{self as pb, ListProductsRequest};
use bodega_runtime::{page, status::Violations};

use super::{Cursor, Sort, Words};
use crate::{error::Error, label::Ref};

const DEFAULT_LIMIT: i32 = 20;
const MAX_QUERY: usize = 200;
const MAX_REFS: usize = 50;
const MAX_IDS: usize = 200;

/// Which products to list. Filters are joined by "and".
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// Everything is found by `None`, nothing by no words.
    pub(crate) words: Option<Words>,
    /// In any of these; empty: in any or none.
    pub(crate) categories: Vec<Ref>,
    /// With all of these.
    pub(crate) tags: Vec<Ref>,
    pub(crate) min_price_minor: Option<i64>,
    pub(crate) max_price_minor: Option<i64>,
    pub(crate) in_stock: Option<bool>,
    /// Only these; empty: all.
    pub(crate) ids: Vec<i32>,
    pub(crate) sort: Sort,
    /// `None`: from the start.
    pub(crate) after: Option<Cursor>,
    /// Products of a page, at most.
    pub(crate) limit: i64,
}

impl Filter {
    /// What is asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every field that cannot be; [`Error::Page`] for the limit and the cursor.
    pub(crate) fn parse(request: ListProductsRequest) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let found = &mut violations;
        let sort = parse_sort(request.sort, found);
        let q = request.q.trim();
        found.require(
            q.chars().count() <= MAX_QUERY,
            "q",
            format!("must have at most {MAX_QUERY} characters"),
        );
        let categories = parse_refs(request.categories, "categories", found);
        let tags = parse_refs(request.tags, "tags", found);
        found.require(request.ids.len() <= MAX_IDS, "ids", format!("must be at most {MAX_IDS}"));
        let (min_price_minor, max_price_minor) = (request.min_price_minor, request.max_price_minor);
        if let Some((min, max)) = min_price_minor.zip(max_price_minor) {
            found.require(min <= max, "min_price_minor", "must not be more than max_price_minor");
        }
        violations.finish()?;

        let sort = Sort::of(sort, !q.is_empty());
        Ok(Self {
            words: (!q.is_empty()).then(|| Words::of(q)),
            categories,
            tags,
            min_price_minor,
            max_price_minor,
            in_stock: request.in_stock,
            ids: request.ids,
            sort,
            after: Cursor::parse(&request.cursor, sort)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        })
    }
}

fn parse_sort(sort: i32, violations: &mut Violations) -> pb::ProductSort {
    pb::ProductSort::try_from(sort).unwrap_or_else(|_| {
        violations.add("sort", "is not one there is");
        pb::ProductSort::Unspecified
    })
}

fn parse_refs(refs: Vec<pb::IdOrName>, field: &str, violations: &mut Violations) -> Vec<Ref> {
    violations.require(refs.len() <= MAX_REFS, field, format!("must be at most {MAX_REFS}"));
    let names_something = refs.iter().all(|wanted| wanted.value.is_some());
    violations.require(names_something, field, "must each have an id or a name");
    refs.into_iter().take(MAX_REFS).filter_map(|wanted| Ref::parse(wanted, field, violations)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: ListProductsRequest) -> String {
        match Filter::parse(request) {
            Err(Error::Invalid(violations)) => violations.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_that_cannot_be_is_named() {
        let message = refused(ListProductsRequest {
            q: "x".repeat(201),
            categories: vec![pb::IdOrName::default(); 51],
            tags: vec![pb::IdOrName { value: Some(pb::id_or_name::Value::Name("\0".to_owned())) }],
            min_price_minor: Some(2),
            max_price_minor: Some(1),
            ids: vec![1; 201],
            sort: 99,
            ..Default::default()
        });
        for field in ["q ", "categories ", "tags ", "min_price_minor ", "ids ", "sort "] {
            assert!(message.contains(field), "{field}: {message}");
        }
    }

    #[test]
    fn a_query_of_space_is_none_and_one_of_punctuation_finds_nothing() {
        let parse = |q: &str| {
            Filter::parse(ListProductsRequest { q: q.to_owned(), ..Default::default() }).unwrap().words
        };
        assert_eq!(parse("  "), None);
        assert_eq!(parse("?!"), Some(Words::of("")));
    }
}
