//! The gRPC services: they convert requests and responses, and call the use cases.

mod contacts;
mod convert;
mod erasure;
mod identity;
mod recovery;
mod tokens;

use uuid::Uuid;

pub(crate) use self::{
    contacts::ContactApi, erasure::ErasureApi, identity::IdentityApi, recovery::RecoveryApi, tokens::TokenApi,
};

fn to_strings(ids: Vec<Uuid>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}
