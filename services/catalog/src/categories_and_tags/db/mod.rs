//! SQL of categories and tags.

pub(crate) mod categories;
mod labels;
pub(crate) mod tags;
