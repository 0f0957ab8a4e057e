//! Users, and the rules for their fields.

pub(crate) mod addresses;
pub(crate) mod db;
mod fields;
mod normalize;

use bodega_runtime::auth;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use self::{
    fields::{Email, Name, Username},
    normalize::{nfkc, normalize},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub(crate) enum Role {
    User,
    Admin,
}

impl Role {
    /// Returns the value of the column `users.role`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

impl From<Role> for auth::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin => Self::Admin,
        }
    }
}

/// A user who has not been deleted.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) username: Option<String>,
    pub(crate) role: Role,
    pub(crate) avatar_url: String,
    pub(crate) avatar_thumbnail_url: String,
    pub(crate) disabled: bool,
    /// Whether the user has shown to receive mail at the address.
    pub(crate) email_verified: bool,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
}
