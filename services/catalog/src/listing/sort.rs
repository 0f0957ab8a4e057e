//! The sort orders of a list, and the cursors of its pages.

use bodega_proto::catalog::v1::ProductSort;
use bodega_runtime::page;
use serde::{Deserialize, Serialize};
use tonic::Status;

/// A total order of products: ties are broken by id, in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// By descending id: ids grow as products are created.
    Newest,
    Oldest,
    PriceAsc,
    PriceDesc,
    /// By code points of the lower-case name.
    NameAsc,
    NameDesc,
    /// Best match first; of equally good matches the newest first.
    Relevance,
}

impl Sort {
    /// Resolves the default order, and relevance without a query.
    pub(crate) fn resolve(sort: ProductSort, has_query: bool) -> Self {
        match sort {
            ProductSort::Unspecified | ProductSort::Relevance if has_query => Self::Relevance,
            ProductSort::Unspecified | ProductSort::Relevance | ProductSort::Newest => Self::Newest,
            ProductSort::Oldest => Self::Oldest,
            ProductSort::PriceAsc => Self::PriceAsc,
            ProductSort::PriceDesc => Self::PriceDesc,
            ProductSort::NameAsc => Self::NameAsc,
            ProductSort::NameDesc => Self::NameDesc,
        }
    }
}

/// The sort key of the last product on a page: the next page starts after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cursor {
    Newest(i32),
    Oldest(i32),
    PriceAsc(i64, i32),
    PriceDesc(i64, i32),
    NameAsc(String, i32),
    NameDesc(String, i32),
    Relevance(i64, i32),
}

impl Cursor {
    /// Returns `None` for an empty cursor, which stands for the first page.
    ///
    /// # Errors
    /// `invalid_cursor` if it cannot be decoded, or belongs to another sort order.
    pub(crate) fn parse(cursor: &str, sort: Sort) -> Result<Option<Self>, Status> {
        let Some(cursor) = page::decode::<Self>(cursor)? else { return Ok(None) };
        if cursor.sort() != sort || !cursor.can_be_compared() {
            return Err(page::invalid_cursor());
        }
        Ok(Some(cursor))
    }

    fn sort(&self) -> Sort {
        match self {
            Self::Newest(..) => Sort::Newest,
            Self::Oldest(..) => Sort::Oldest,
            Self::PriceAsc(..) => Sort::PriceAsc,
            Self::PriceDesc(..) => Sort::PriceDesc,
            Self::NameAsc(..) => Sort::NameAsc,
            Self::NameDesc(..) => Sort::NameDesc,
            Self::Relevance(..) => Sort::Relevance,
        }
    }

    /// Whether Postgres accepts the key: its text cannot contain a NUL.
    fn can_be_compared(&self) -> bool {
        match self {
            Self::NameAsc(name, _) | Self::NameDesc(name, _) => !name.contains('\0'),
            Self::Newest(_)
            | Self::Oldest(_)
            | Self::PriceAsc(..)
            | Self::PriceDesc(..)
            | Self::Relevance(..) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_cursor_of_another_order() {
        let cursor = page::encode(&Cursor::PriceAsc(1999, 7));
        assert_eq!(Cursor::parse(&cursor, Sort::PriceAsc).unwrap(), Some(Cursor::PriceAsc(1999, 7)));
        assert!(Cursor::parse(&cursor, Sort::PriceDesc).is_err());
        assert!(Cursor::parse(&cursor, Sort::Relevance).is_err());
        assert_eq!(Cursor::parse("", Sort::Newest).unwrap(), None);
    }

    #[test]
    fn rejects_a_cursor_with_a_nul() {
        let cursor = page::encode(&Cursor::NameAsc("a\0".to_owned(), 7));
        assert!(Cursor::parse(&cursor, Sort::NameAsc).is_err());
    }

    #[test]
    fn sorts_by_relevance_only_with_a_query() {
        assert_eq!(Sort::resolve(ProductSort::Unspecified, true), Sort::Relevance);
        assert_eq!(Sort::resolve(ProductSort::Unspecified, false), Sort::Newest);
        assert_eq!(Sort::resolve(ProductSort::Relevance, false), Sort::Newest);
        assert_eq!(Sort::resolve(ProductSort::PriceAsc, true), Sort::PriceAsc);
    }
}
