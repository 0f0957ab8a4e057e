//! The catalog's two services on the wire. Decides nothing.

mod catalog;
mod stock;

pub(crate) use self::{catalog::CatalogApi, stock::StockApi};
