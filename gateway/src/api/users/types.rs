use bodega_proto::identity::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::{Timestamp, non_empty};

/// Role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// May shop.
    User,
    /// May also manage products, orders and users.
    Admin,
}

impl From<pb::Role> for Role {
    fn from(role: pb::Role) -> Self {
        match role {
            // An unknown role gets the fewest permissions.
            pb::Role::Unspecified | pb::Role::User => Self::User,
            pb::Role::Admin => Self::Admin,
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

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
    "email": "ada@example.com", "emailVerified": true, "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z"
}))]
pub(crate) struct User {
    /// Id of the user, a UUIDv7.
    id: String,
    /// Full name of the user.
    name: String,
    /// Username, or null when the user has none.
    #[schema(required)]
    username: Option<String>,
    /// Email address, unique, case-insensitive.
    email: String,
    /// Whether the user has shown to receive mail at the address.
    email_verified: bool,
    /// Role of the user.
    role: Role,
    /// URL of the avatar, or null when the user has none.
    #[schema(required)]
    avatar_url: Option<String>,
    /// URL of the avatar scaled to at most 400 pixels wide and high, or null when the user has none.
    #[schema(required)]
    avatar_thumbnail_url: Option<String>,
    /// When the user registered.
    created_at: Timestamp,
    /// When the user last changed.
    updated_at: Timestamp,
}

impl From<pb::User> for User {
    fn from(user: pb::User) -> Self {
        Self {
            role: user.role().into(),
            id: user.id,
            name: user.name,
            username: non_empty(user.username),
            email: user.email,
            email_verified: user.email_verified,
            avatar_url: non_empty(user.avatar_url),
            avatar_thumbnail_url: non_empty(user.avatar_thumbnail_url),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

/// A user, with the fields that only admins see.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
    "email": "ada@example.com", "emailVerified": true, "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z", "disabled": false
}))]
pub(crate) struct UserDetails {
    #[serde(flatten)]
    user: User,
    /// Whether the user is disabled and cannot log in.
    disabled: bool,
}

impl From<pb::User> for UserDetails {
    fn from(user: pb::User) -> Self {
        Self { disabled: user.disabled, user: user.into() }
    }
}
