//! Categories and tags.

pub(crate) mod category_or_tag;
pub(crate) mod db;
