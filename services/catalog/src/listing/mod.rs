//! Lists of products: what to find, in which order, from where on.

pub(crate) mod db;
mod filter;
mod sort;
mod words;

pub(crate) use self::{
    filter::Filter,
    sort::{Cursor, Sort},
    words::Words,
};
