//! The caller's own account.

use axum::extract::State;
use bodega_proto::identity::v1::{
    AddressList, ChangePasswordRequest, GetProfileRequest, UpdateProfileRequest,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    answer::present,
    app::App,
    extract::{Json, SignedIn},
    json::{Address, Object, Profile, given},
    problem::Problem,
};

/// Changes of a profile; what is not named stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"username": "ada"}))]
pub(crate) struct ProfilePatch {
    /// Full name.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Letters, digits, `.`, `_` and `-`; null gives it up.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 30)]
    username: Option<Option<String>>,
    /// Unique without regard to case.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 254)]
    email: Option<String>,
    /// Replace all that there were.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Address>>, nullable = false, max_items = 20)]
    addresses: Option<Vec<Object<Address>>>,
}

/// A whole profile; what is optional and not named is none from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Ada Lovelace", "email": "ada@example.com", "username": "ada",
    "addresses": [{
        "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postalCode": "SW1Y 4JH",
        "country": "GB", "isDefault": true
    }]
}))]
pub(crate) struct ProfileInput {
    /// Full name.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Unique without regard to case.
    #[schema(max_length = 254)]
    email: String,
    /// Letters, digits, `.`, `_` and `-`.
    #[serde(default)]
    #[schema(min_length = 3, max_length = 30)]
    username: Option<String>,
    /// All of them.
    #[serde(default)]
    #[schema(value_type = Vec<Address>, max_items = 20)]
    addresses: Vec<Object<Address>>,
}

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"currentPassword": "correct horse battery", "newPassword": "staple of another horse"}))]
pub(crate) struct PasswordInput {
    /// As it was set. `current_password` is accepted too.
    #[serde(alias = "current_password")]
    current_password: String,
    /// Any characters; not a common password, nor the name, username or email.
    #[serde(alias = "new_password")]
    #[schema(min_length = 8, max_length = 256)]
    new_password: String,
}

/// Shows the caller's profile.
#[utoipa::path(
    get, path = "/api/users/me", tag = "Profile", security(("bearer" = [])),
    responses((status = OK, body = Profile))
)]
pub(crate) async fn show(State(app): State<App>, _: SignedIn) -> Result<Json<Profile>, Problem> {
    let answer = app.identity().get_profile(GetProfileRequest {}).await?.into_inner();
    Ok(Json(present(answer.user)?.into()))
}

/// Changes what it names of the caller's profile.
#[utoipa::path(
    patch, path = "/api/users/me", tag = "Profile", request_body = ProfilePatch, security(("bearer" = [])),
    responses((status = OK, body = Profile), (status = CONFLICT, body = Problem))
)]
pub(crate) async fn change(
    State(app): State<App>,
    _: SignedIn,
    Json(patch): Json<ProfilePatch>,
) -> Result<Json<Profile>, Problem> {
    let request = UpdateProfileRequest {
        name: patch.name,
        username: patch.username.map(Option::unwrap_or_default),
        email: patch.email,
        addresses: patch.addresses.map(address_list),
    };
    update(&app, request).await
}

/// Replaces the caller's profile.
#[utoipa::path(
    put, path = "/api/users/me", tag = "Profile", request_body = ProfileInput, security(("bearer" = [])),
    responses((status = OK, body = Profile), (status = CONFLICT, body = Problem))
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: SignedIn,
    Json(input): Json<ProfileInput>,
) -> Result<Json<Profile>, Problem> {
    let request = UpdateProfileRequest {
        name: Some(input.name),
        username: Some(input.username.unwrap_or_default()),
        email: Some(input.email),
        addresses: Some(address_list(input.addresses)),
    };
    update(&app, request).await
}

async fn update(app: &App, request: UpdateProfileRequest) -> Result<Json<Profile>, Problem> {
    let answer = app.identity().update_profile(request).await?.into_inner();
    Ok(Json(present(answer.user)?.into()))
}

fn address_list(addresses: Vec<Object<Address>>) -> AddressList {
    AddressList { addresses: addresses.into_iter().map(|Object(address)| address.into()).collect() }
}

/// Sets a new password and ends the caller's other sessions.
#[utoipa::path(
    post, path = "/api/users/me/password", tag = "Profile", request_body = PasswordInput,
    security(("bearer" = [])), responses((status = NO_CONTENT), (status = TOO_MANY_REQUESTS, body = Problem))
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    _: SignedIn,
    Json(input): Json<PasswordInput>,
) -> Result<StatusCode, Problem> {
    let request =
        ChangePasswordRequest { current_password: input.current_password, new_password: input.new_password };
    let answer = app.identity().change_password(request).await?.into_inner();
    app.revocations().extend(&answer.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
