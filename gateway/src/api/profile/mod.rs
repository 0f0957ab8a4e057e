//! `/api/users/me`.

pub(crate) mod types;

use axum::extract::State;
use bodega_proto::identity::v1::{
    AddressList, ChangePasswordRequest, GetProfileRequest, UpdateProfileRequest,
};
use http::StatusCode;

use self::types::{Address, PasswordInput, Profile, ProfileInput, ProfilePatch};
use crate::{
    app::App,
    extract::{Json, SignedIn},
    json::Object,
    problem::Problem,
    response::present,
};

/// Returns the caller's profile.
///
/// Requires an access token.
#[utoipa::path(
    get, path = "/api/users/me", tag = "Profile", security(("bearer" = [])),
    responses((status = OK, description = "The caller's profile.", body = Profile))
)]
pub(crate) async fn show(State(app): State<App>, _: SignedIn) -> Result<Json<Profile>, Problem> {
    let response = app.identity().get_profile(GetProfileRequest {}).await?.into_inner();
    Ok(Json(present(response.user)?.into()))
}

/// Changes fields of the caller's profile.
///
/// Requires an access token. Absent fields stay unchanged; `addresses` replaces all addresses. Another email ends the caller's
/// other sessions, and the old one gets a mail that can restore it.
#[utoipa::path(
    patch, path = "/api/users/me", tag = "Profile", request_body = ProfilePatch, security(("bearer" = [])),
    responses(
        (status = OK, description = "The profile after the change.", body = Profile),
        (status = CONFLICT,
            description = "Another user has this email (`email_taken`) or this username (`username_taken`)."),
        (status = TOO_MANY_REQUESTS),
    )
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
        current_password: patch.current_password,
    };
    update(&app, request).await
}

/// Replaces the caller's profile.
///
/// Requires an access token. Absent optional fields are removed. Another email ends the caller's other sessions, and the old
/// one gets a mail that can restore it.
#[utoipa::path(
    put, path = "/api/users/me", tag = "Profile", request_body = ProfileInput, security(("bearer" = [])),
    responses(
        (status = OK, description = "The profile after the change.", body = Profile),
        (status = CONFLICT,
            description = "Another user has this email (`email_taken`) or this username (`username_taken`)."),
        (status = TOO_MANY_REQUESTS),
    )
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
        current_password: input.current_password,
    };
    update(&app, request).await
}

async fn update(app: &App, request: UpdateProfileRequest) -> Result<Json<Profile>, Problem> {
    let response = app.identity().update_profile(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(Json(present(response.user)?.into()))
}

fn address_list(addresses: Vec<Object<Address>>) -> AddressList {
    AddressList { addresses: addresses.into_iter().map(|Object(address)| address.into()).collect() }
}

/// Changes the caller's password.
///
/// Requires an access token. Ends all other sessions of the caller.
#[utoipa::path(
    post, path = "/api/users/me/password", tag = "Profile", request_body = PasswordInput,
    security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "Password changed. No content."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid, the current password is \
            wrong, or the new one is rejected (`invalid_field`); `errors` names the field."),
        (status = TOO_MANY_REQUESTS, description = "Too many passwords are being checked (`too_busy`)."),
    )
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    _: SignedIn,
    Json(input): Json<PasswordInput>,
) -> Result<StatusCode, Problem> {
    let request =
        ChangePasswordRequest { current_password: input.current_password, new_password: input.new_password };
    let response = app.identity().change_password(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
