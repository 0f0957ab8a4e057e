//! Categories and tags: two tables of unique names. A product has at most one category and any number of tags.

mod category_or_tag;
pub(crate) mod db;
mod manage;

pub(crate) use self::{
    category_or_tag::{IdOrName, Kind},
    db::CategoryOrTag,
    manage::{create, delete, find, list, lock_for_product, rename},
};
