//! The filter of a list of products.

use bodega_proto::catalog::v1::{self as pb, ListProductsRequest};
use bodega_runtime::{page, status::Violations};
use unicode_normalization::UnicodeNormalization as _;

use super::{
    sort::{Cursor, Sort},
    words::Words,
};
use crate::{categories_and_tags::IdOrName, error::Error};

const DEFAULT_LIMIT: i32 = 20;
const MAX_QUERY_CHARS: usize = 200;
/// Maximum number of categories, and of tags.
const MAX_REFERENCES: usize = 50;
const MAX_IDS: usize = 200;

/// A validated request. A product has to match all conditions.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// `None` matches every product, an empty list of words none.
    pub(crate) words: Option<Words>,
    /// The query as text, which may be the name of a product.
    pub(crate) text: String,
    /// The product has one of these categories; empty matches every product.
    pub(crate) categories: Vec<IdOrName>,
    /// The product has all of these tags.
    pub(crate) tags: Vec<IdOrName>,
    pub(crate) min_price_minor: Option<i64>,
    pub(crate) max_price_minor: Option<i64>,
    pub(crate) in_stock: Option<bool>,
    /// Empty matches every product.
    pub(crate) ids: Vec<i32>,
    pub(crate) sort: Sort,
    /// `None` on the first page.
    pub(crate) after: Option<Cursor>,
    /// Maximum number of products on a page.
    pub(crate) limit: i64,
    /// Whether the products are read with their variants.
    pub(crate) with_variants: bool,
}

impl Filter {
    /// Validates a request.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all invalid fields; [`Error::Page`] for an invalid limit or cursor.
    pub(crate) fn parse(request: ListProductsRequest) -> Result<Self, Error> {
        let mut violations = Violations::new();
        let sort = parse_sort(request.sort, &mut violations);
        let q = request.q.trim();
        let fits = q.chars().count() <= MAX_QUERY_CHARS;
        violations.require(fits, "q", format!("must have at most {MAX_QUERY_CHARS} characters"));
        let categories = parse_references(request.categories, "categories", &mut violations);
        let tags = parse_references(request.tags, "tags", &mut violations);
        let message = format!("must have at most {MAX_IDS} entries");
        violations.require(request.ids.len() <= MAX_IDS, "ids", message);
        let (min_price_minor, max_price_minor) = (request.min_price_minor, request.max_price_minor);
        if let Some((min, max)) = min_price_minor.zip(max_price_minor) {
            violations.require(min <= max, "min_price_minor", "must not be greater than max_price_minor");
        }
        violations.finish()?;

        let sort = Sort::resolve(sort, !q.is_empty());
        Ok(Self {
            words: (!q.is_empty()).then(|| Words::parse(q)),
            text: q.nfc().filter(|c| *c != '\0').collect(),
            categories,
            tags,
            min_price_minor,
            max_price_minor,
            in_stock: request.in_stock,
            ids: request.ids,
            sort,
            after: Cursor::parse(&request.cursor, sort)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
            with_variants: !request.omit_variants,
        })
    }

    /// Whether there is a range of prices that does not follow from the sort order.
    pub(crate) fn has_price_range(&self) -> bool {
        let is_bounded = self.min_price_minor.is_some() || self.max_price_minor.is_some();
        is_bounded && !matches!(self.sort, Sort::PriceAsc | Sort::PriceDesc)
    }
}

fn parse_sort(sort: i32, violations: &mut Violations) -> pb::ProductSort {
    pb::ProductSort::try_from(sort).unwrap_or_else(|_| {
        violations.add("sort", "must be a known sort order");
        pb::ProductSort::Unspecified
    })
}

fn parse_references(
    references: Vec<pb::IdOrName>,
    field: &str,
    violations: &mut Violations,
) -> Vec<IdOrName> {
    let message = format!("must have at most {MAX_REFERENCES} entries");
    violations.require(references.len() <= MAX_REFERENCES, field, message);
    let have_values = references.iter().all(|reference| reference.value.is_some());
    violations.require(have_values, field, "must each have an id or a name");
    let references = references.into_iter().take(MAX_REFERENCES);
    references.filter_map(|reference| IdOrName::parse(reference, field, violations)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations_of(request: ListProductsRequest) -> String {
        match Filter::parse(request) {
            Err(Error::Invalid(violations)) => violations.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_every_invalid_field() {
        let message = violations_of(ListProductsRequest {
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
    fn a_blank_query_matches_everything_and_a_query_without_words_nothing() {
        let parse = |q: &str| {
            Filter::parse(ListProductsRequest { q: q.to_owned(), ..Default::default() }).unwrap().words
        };
        assert_eq!(parse("  "), None);
        assert_eq!(parse("?!"), Some(Words::parse("")));
    }
}
