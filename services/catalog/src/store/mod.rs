//! All SQL, by what it is about.
//!
//! Whoever locks more than one row does it in this order: categories, tags, reservations, products; each by id; then
//! the pictures of one product. So nobody waits in a circle. What readers see of a product changes together with its
//! version.

pub(crate) mod categories;
pub(crate) mod images;
mod labels;
pub(crate) mod listing;
pub(crate) mod products;
pub(crate) mod reservations;
mod search;
pub(crate) mod shown;
pub(crate) mod stock;
pub(crate) mod tags;
pub(crate) mod trigrams;
