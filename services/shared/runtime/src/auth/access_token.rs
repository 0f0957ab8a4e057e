//! The claims of an access token: a JWT (RFC 9068) signed with Ed25519 (RFC 8037).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `iss` of every access token.
pub const ISSUER: &str = "bodega";
/// `aud` of every access token.
pub const AUDIENCE: &str = "bodega";

/// `typ` of every access token, so that no other token that identity signs is accepted as one.
pub const TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// User id, or id of the API key.
    pub sub: Uuid,
    /// Session id, or id of the API key. Revoking it revokes all of its tokens.
    pub sid: Uuid,
    /// Role when the token was issued.
    pub role: Role,
    /// Time of issue in seconds since 1970.
    pub iat: i64,
    /// Time of expiry in seconds since 1970.
    pub exp: i64,
    /// Id of this token, unique.
    pub jti: Uuid,
    /// Scopes of an API key, separated by spaces (RFC 8693).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Time in seconds since 1970 at which the user last entered a code of the second factor; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor_at: Option<i64>,
    /// Whether the user is an admin who has to enroll a second factor first, and until then has the role `user`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_factor_missing: bool,
}

/// Role of a caller. Processes that do not know a role reject its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read the catalog, and manage their own cart, orders and profile.
    User,
    /// May also manage products, orders and users.
    Admin,
    /// A machine, which may do what its scopes allow.
    ApiKey,
}
