//! Conversions between users and protobuf messages.

use bodega_proto::identity::v1 as pb;
use bodega_runtime::{database::Pool, timestamp};

use crate::{
    api_keys::db::ApiKey,
    error::Error,
    users::{Role, User, addresses},
};

impl From<User> for pb::User {
    /// Leaves the addresses empty.
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name,
            username: user.username.unwrap_or_default(),
            email: user.email,
            role: pb::Role::from(user.role).into(),
            avatar_url: user.avatar_url,
            avatar_thumbnail_url: user.avatar_thumbnail_url,
            disabled: user.disabled,
            email_verified: user.email_verified,
            addresses: Vec::new(),
            created_at: Some(timestamp::to_proto(user.created_at)),
            updated_at: Some(timestamp::to_proto(user.updated_at)),
        }
    }
}

impl From<ApiKey> for pb::ApiKey {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            scopes: key.scopes,
            created_by: key.created_by.to_string(),
            created_at: Some(timestamp::to_proto(key.created_at)),
            expires_at: Some(timestamp::to_proto(key.expires_at)),
            last_used_at: key.last_used_at.map(timestamp::to_proto),
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

/// Returns the role of a request, or `None` when it is unspecified.
pub(super) fn requested_role(role: i32) -> Result<Option<Role>, Error> {
    match pb::Role::try_from(role) {
        Ok(pb::Role::Unspecified) => Ok(None),
        Ok(pb::Role::User) => Ok(Some(Role::User)),
        Ok(pb::Role::Admin) => Ok(Some(Role::Admin)),
        Err(_) => Err(Error::invalid("role", "must be a known role")),
    }
}

/// Adds the addresses to a user.
pub(super) async fn with_addresses(db: &Pool, user: User) -> Result<pb::User, Error> {
    let addresses = addresses::db::list(db, &[user.id]).await?;
    let mut user = pb::User::from(user);
    user.addresses = addresses.into_iter().map(|(_, address)| address).collect();
    Ok(user)
}

/// Adds the addresses to all users with one query.
pub(super) async fn all_with_addresses(db: &Pool, users: Vec<User>) -> Result<Vec<pb::User>, Error> {
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let mut addresses = addresses::db::list(db, &ids).await?;
    Ok(users
        .into_iter()
        .map(|user| {
            let id = user.id;
            let own = addresses.extract_if(.., |(user_id, _)| *user_id == id).map(|(_, address)| address);
            pb::User { addresses: own.collect(), ..user.into() }
        })
        .collect())
}
