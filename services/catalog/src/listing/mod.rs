//! Lists of products: filters, search, sort order and pages.

mod db;
mod filter;
mod list;
mod sort;
mod words;

pub(crate) use self::list::Listing;
