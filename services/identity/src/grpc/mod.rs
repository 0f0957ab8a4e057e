//! The gRPC services: they convert requests and responses, and call the use cases.

mod convert;
mod erasure;
mod identity;
mod tokens;

use uuid::Uuid;

pub(crate) use self::{erasure::ErasureApi, identity::IdentityApi, tokens::TokenApi};

fn to_strings(ids: Vec<Uuid>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}
