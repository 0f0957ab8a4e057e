//! The claims of an access token: a JWT (RFC 7519) signed with Ed25519 (RFC 8037).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `iss` of every access token.
pub const ISSUER: &str = "bodega";
/// `aud` of every access token.
pub const AUDIENCE: &str = "bodega";

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// User id.
    pub sub: Uuid,
    /// Session id. Revoking a session revokes all of its tokens.
    pub sid: Uuid,
    /// Role of the user when the token was issued.
    pub role: Role,
    /// Time of issue in seconds since 1970.
    pub iat: i64,
    /// Time of expiry in seconds since 1970.
    pub exp: i64,
    /// Id of this token, unique.
    pub jti: Uuid,
}

/// Role of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May read the catalog, and manage their own cart, orders and profile.
    User,
    /// May also manage products, orders and users.
    Admin,
}
