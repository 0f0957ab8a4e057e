//! All SQL, by what it is about.
//!
//! Whoever locks more than one row does it in this order: categories, tags, reservations, products; each by id; then
//! the pictures of one product. So nobody waits in a circle. What readers see of a product changes together with its
//! version.

pub(crate) use crate::{
    categories_and_tags::db::{categories, tags},
    listing::db::{self as listing, trigrams},
    products::db::{product_images as images, products, shown},
    reservations::{db as reservations, stock},
};
