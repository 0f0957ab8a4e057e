//! Products.

pub(crate) mod browse;
pub(crate) mod db;
pub(crate) mod draft;
pub(crate) mod manage;
pub(crate) mod product;
