//! The two gRPC services. They check the caller, call a use case and convert its result.

mod catalog;
mod stock;

pub(crate) use self::{catalog::CatalogApi, stock::StockApi};
