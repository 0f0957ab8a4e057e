//! Protobuf in, a call, protobuf out. Decides nothing.

mod identity;
mod token;

use bodega_proto::identity::v1 as pb;
use bodega_runtime::timestamp;
use uuid::Uuid;

pub(crate) use self::{identity::IdentityGrpc, token::TokenGrpc};
use crate::account::{Account, Role};

impl From<Account> for pb::User {
    fn from(account: Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name,
            username: account.username.unwrap_or_default(),
            email: account.email,
            role: pb::Role::from(account.role).into(),
            avatar_url: account.avatar_url,
            avatar_thumbnail_url: account.avatar_thumbnail_url,
            disabled: account.disabled,
            addresses: Vec::new(),
            created_at: Some(timestamp::to_proto(account.created_at)),
            updated_at: Some(timestamp::to_proto(account.updated_at)),
        }
    }
}

impl From<Role> for pb::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

fn strings(ids: Vec<Uuid>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}
