//! The four gRPC services. They check the caller, call a use case and convert its result.

mod catalog;
mod changes;
mod stock;
mod variants;

pub(crate) use self::{catalog::CatalogApi, changes::ChangeApi, stock::StockApi, variants::VariantApi};
