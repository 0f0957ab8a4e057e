//! The orders of a list, and where a page of each begins.

use bodega_proto::catalog::v1::ProductSort;
use bodega_runtime::page;
use serde::{Deserialize, Serialize};
use tonic::Status;

/// An order of products. It is total: the id breaks ties, in the direction of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The latest id first: ids grow as products are made.
    Newest,
    Oldest,
    PriceAsc,
    PriceDesc,
    /// By code points of the name in small letters.
    NameAsc,
    NameDesc,
    /// Best match first, the newest first of those that match alike.
    Relevance,
}

impl Sort {
    /// The order that is asked for, of a list with or without a query.
    pub(crate) fn of(sort: ProductSort, has_query: bool) -> Self {
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

/// The last product of a page, in the order of its list: the next page has what comes after it.
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
    /// Reads a cursor of a list in this order; `None` where the list starts.
    ///
    /// # Errors
    /// `invalid_cursor` for one of another order, or none of ours.
    pub(crate) fn parse(cursor: &str, sort: Sort) -> Result<Option<Self>, Status> {
        let Some(cursor) = page::decode::<Self>(cursor)? else { return Ok(None) };
        if cursor.sort() != sort || !cursor.is_of_a_row() {
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

    /// Whether a row can have this key: Postgres has no text with a NUL in it.
    fn is_of_a_row(&self) -> bool {
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
    fn a_cursor_is_of_one_order_only() {
        let cursor = page::encode(&Cursor::PriceAsc(1999, 7));
        assert_eq!(Cursor::parse(&cursor, Sort::PriceAsc).unwrap(), Some(Cursor::PriceAsc(1999, 7)));
        assert!(Cursor::parse(&cursor, Sort::PriceDesc).is_err());
        assert!(Cursor::parse(&cursor, Sort::Relevance).is_err());
        assert_eq!(Cursor::parse("", Sort::Newest).unwrap(), None);
    }

    #[test]
    fn a_cursor_that_no_row_can_have_is_refused() {
        let cursor = page::encode(&Cursor::NameAsc("a\0".to_owned(), 7));
        assert!(Cursor::parse(&cursor, Sort::NameAsc).is_err());
    }

    #[test]
    fn relevance_is_for_queries() {
        assert_eq!(Sort::of(ProductSort::Unspecified, true), Sort::Relevance);
        assert_eq!(Sort::of(ProductSort::Unspecified, false), Sort::Newest);
        assert_eq!(Sort::of(ProductSort::Relevance, false), Sort::Newest);
        assert_eq!(Sort::of(ProductSort::PriceAsc, true), Sort::PriceAsc);
    }
}
