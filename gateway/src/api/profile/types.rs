use bodega_proto::identity::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::users::types::User,
    json::{Object, provided},
};

/// The caller as a user, with addresses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada Lovelace", "username": "ada",
    "email": "ada@example.com", "emailVerified": true, "role": "user", "avatarUrl": null, "avatarThumbnailUrl": null,
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z",
    "addresses": [{
        "name": "Ada Lovelace", "line1": "12 St James's Square", "line2": "", "city": "London", "region": "",
        "postalCode": "SW1Y 4JH", "country": "GB", "phone": "", "isDefault": true
    }]
}))]
pub(crate) struct Profile {
    #[serde(flatten)]
    user: User,
    /// Addresses, at most 20.
    addresses: Vec<Address>,
}

impl From<pb::User> for Profile {
    fn from(mut user: pb::User) -> Self {
        let addresses = std::mem::take(&mut user.addresses).into_iter().map(Address::from).collect();
        Self { user: user.into(), addresses }
    }
}

/// A postal address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH",
    "country": "GB", "isDefault": true
}))]
pub(crate) struct Address {
    /// Name of the recipient.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Street and house number.
    #[schema(min_length = 1, max_length = 200)]
    line1: String,
    /// Apartment, floor or company.
    #[serde(default)]
    #[schema(max_length = 200)]
    line2: String,
    /// City.
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
    /// ISO 3166-1 alpha-2 code of the country, upper case.
    #[schema(min_length = 2, max_length = 2, example = "GB")]
    country: String,
    /// Phone number for the carrier.
    #[serde(default)]
    #[schema(max_length = 30)]
    phone: String,
    /// Whether it is the default address. At most one is.
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

/// Changes of a profile. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"username": "ada"}))]
pub(crate) struct ProfilePatch {
    /// Full name of the user.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    pub(crate) name: Option<String>,
    /// Username of letters, digits, `.`, `_` and `-`; unique, case-insensitive. Null removes it.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 30)]
    pub(crate) username: Option<Option<String>>,
    /// Email address, unique, case-insensitive.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false, max_length = 254)]
    pub(crate) email: Option<String>,
    /// Addresses, which replace all existing ones.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<Vec<Address>>, nullable = false, max_items = 20)]
    pub(crate) addresses: Option<Vec<Object<Address>>>,
    /// Current password. It is required to change a confirmed email, and the username of an admin.
    #[serde(default, deserialize_with = "provided", alias = "current_password")]
    #[schema(nullable = false)]
    pub(crate) current_password: Option<String>,
}

/// A profile that replaces the current one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Ada Lovelace", "email": "ada@example.com", "username": "ada",
    "addresses": [{
        "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH",
        "country": "GB", "isDefault": true
    }]
}))]
pub(crate) struct ProfileInput {
    /// Full name of the user.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) name: String,
    /// Email address, unique, case-insensitive.
    #[schema(max_length = 254)]
    pub(crate) email: String,
    /// Username of letters, digits, `.`, `_` and `-`; unique, case-insensitive. None by default.
    #[serde(default)]
    #[schema(min_length = 3, max_length = 30)]
    pub(crate) username: Option<String>,
    /// All addresses; none by default.
    #[serde(default)]
    #[schema(value_type = Vec<Address>, max_items = 20)]
    pub(crate) addresses: Vec<Object<Address>>,
    /// Current password. It is required to change a confirmed email, and the username of an admin.
    #[serde(default, alias = "current_password")]
    pub(crate) current_password: Option<String>,
}

/// The current and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"currentPassword": "correct horse battery", "newPassword": "staple of another horse"}))]
pub(crate) struct PasswordInput {
    /// Current password. `current_password` is accepted too.
    #[serde(alias = "current_password")]
    pub(crate) current_password: String,
    /// New password of any characters. Common passwords, the name, the username and the email are rejected.
    /// `new_password` is accepted too.
    #[serde(alias = "new_password")]
    #[schema(min_length = 8, max_length = 256)]
    pub(crate) new_password: String,
}
