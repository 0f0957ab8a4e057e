//! Accounts: as everybody sees their own, and as admins see all.

use bodega_proto::identity::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::{Timestamp, non_empty};

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Shops.
    User,
    /// Runs the shop.
    Admin,
}

impl From<pb::Role> for Role {
    fn from(role: pb::Role) -> Self {
        match role {
            // The least, for a role that this gateway does not know.
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

/// An account, without anything that signs it in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
    "email": "ada@example.com", "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z"
}))]
pub(crate) struct User {
    /// UUIDv7.
    id: String,
    /// Full name.
    name: String,
    /// Null when none was chosen.
    #[schema(required)]
    username: Option<String>,
    /// Unique without regard to case.
    email: String,
    /// What it may do.
    role: Role,
    /// Null when there is no picture.
    #[schema(required)]
    avatar_url: Option<String>,
    /// The same picture, at most 400 pixels wide and high; null when there is none.
    #[schema(required)]
    avatar_thumbnail_url: Option<String>,
    /// When the account was made.
    created_at: Timestamp,
    /// When it last changed.
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
            avatar_url: non_empty(user.avatar_url),
            avatar_thumbnail_url: non_empty(user.avatar_thumbnail_url),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

/// The caller's own account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
    "email": "ada@example.com", "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z",
    "addresses": [{
        "name": "Ada Lovelace", "line1": "12 St James's Square", "line2": "", "city": "London", "region": "",
        "postalCode": "SW1Y 4JH", "country": "GB", "phone": "", "isDefault": true
    }]
}))]
pub(crate) struct Profile {
    #[serde(flatten)]
    user: User,
    /// At most 20.
    addresses: Vec<Address>,
}

impl From<pb::User> for Profile {
    fn from(mut user: pb::User) -> Self {
        let addresses = std::mem::take(&mut user.addresses).into_iter().map(Address::from).collect();
        Self { user: user.into(), addresses }
    }
}

/// An account as admins see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
    "email": "ada@example.com", "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z", "disabled": false
}))]
pub(crate) struct Account {
    #[serde(flatten)]
    user: User,
    /// A disabled account cannot sign in.
    disabled: bool,
}

impl From<pb::User> for Account {
    fn from(user: pb::User) -> Self {
        Self { disabled: user.disabled, user: user.into() }
    }
}

/// A place to send things to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH",
    "country": "GB", "isDefault": true
}))]
pub(crate) struct Address {
    /// Who receives it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Street and number.
    #[schema(min_length = 1, max_length = 200)]
    line1: String,
    /// Flat, floor, company.
    #[serde(default)]
    #[schema(max_length = 200)]
    line2: String,
    /// Town.
    #[schema(min_length = 1, max_length = 100)]
    city: String,
    /// State, province or county.
    #[serde(default)]
    #[schema(max_length = 100)]
    region: String,
    /// Postal or ZIP code.
    #[serde(default, alias = "postal_code")]
    #[schema(max_length = 20)]
    postal_code: String,
    /// Two letters of ISO 3166-1, upper case.
    #[schema(min_length = 2, max_length = 2, example = "GB")]
    country: String,
    /// For the carrier.
    #[serde(default)]
    #[schema(max_length = 30)]
    phone: String,
    /// The one to suggest first; at most one is.
    #[serde(default, alias = "is_default")]
    is_default: bool,
}

impl From<pb::Address> for Address {
    fn from(address: pb::Address) -> Self {
        Self {
            name: address.name,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country,
            phone: address.phone,
            is_default: address.is_default,
        }
    }
}

impl From<Address> for pb::Address {
    fn from(address: Address) -> Self {
        Self {
            name: address.name,
            line1: address.line1,
            line2: address.line2,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country: address.country,
            phone: address.phone,
            is_default: address.is_default,
        }
    }
}
