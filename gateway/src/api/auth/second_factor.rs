//! `/api/auth/2fa`: the second factor of the caller.

use axum::extract::State;
use bodega_proto::identity::v1::{
    CompleteLoginRequest, ConfirmSecondFactorRequest, DisableSecondFactorRequest, EnrollSecondFactorRequest,
    GetSecondFactorRequest, VerifySecondFactorRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{merge_guest_cart, types::Session};
use crate::{
    app::App,
    extract::{Client, Json, SignedIn},
    json::provided,
    problem::Problem,
    response::present,
};

/// The second factor of the caller.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"enabled": true, "recoveryCodesLeft": 9}))]
pub(crate) struct SecondFactor {
    /// Whether logins require a code.
    enabled: bool,
    /// Number of recovery codes that were not used.
    #[schema(minimum = 0, maximum = 10)]
    recovery_codes_left: i32,
}

/// A code of the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"token": "pQ3vJt0bYc8dSgk0QmV0JwkR6x0hYbYc8dSgk0QmV0I", "code": "287082"}))]
pub(crate) struct SecondFactorInput {
    /// Code of the authenticator app, or a recovery code.
    code: String,
    /// `secondFactor.token` of the rejected login. Without it, the code is checked in the session of the access token.
    #[serde(default, deserialize_with = "provided")]
    #[schema(nullable = false)]
    token: Option<String>,
}

/// A code of the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "287082"}))]
pub(crate) struct CodeInput {
    /// Code of the authenticator app.
    code: String,
}

/// The password of the caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"currentPassword": "correct horse battery"}))]
pub(crate) struct EnrollmentInput {
    /// The current password. `current_password` is accepted too.
    #[serde(alias = "current_password")]
    current_password: String,
}

/// The secret of a second factor, for an authenticator app. It is not in use before it is confirmed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    "url": "otpauth://totp/Bodega:ada%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Bodega"
}))]
pub(crate) struct Enrollment {
    /// The secret in base 32, to be typed.
    secret: String,
    /// The secret as a URL, to be shown as a QR code.
    url: String,
}

/// A new session, and codes for when the authenticator app is lost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfirmedSecondFactor {
    /// Each works once instead of a code of the app. They cannot be read again.
    #[schema(example = json!(["7Z3K-0QPX-M8NA-2WVC", "D4TE-9HJR-51GS-KXYB"]))]
    recovery_codes: Vec<String>,
    /// The new session.
    session: Session,
}

/// Returns whether the caller has a second factor.
///
/// Requires an access token. A second factor that is not confirmed is not enabled.
#[utoipa::path(
    get, path = "/api/auth/2fa", tag = "Authentication", security(("bearer" = [])),
    responses((status = OK, description = "The second factor.", body = SecondFactor))
)]
pub(crate) async fn show(State(app): State<App>, _: SignedIn) -> Result<Json<SecondFactor>, Problem> {
    let state = app.identity().get_second_factor(GetSecondFactorRequest {}).await?.into_inner();
    Ok(Json(SecondFactor { enabled: state.enabled, recovery_codes_left: state.recovery_codes_left }))
}

/// Completes a login that requires a second factor, or enters a code again.
///
/// With `token`, anyone may call it: it is the second step of a login. Without, it requires an access token: changes of users
/// and refunds are then possible for 15 minutes, and the response has new tokens of the same session.
#[utoipa::path(
    post, path = "/api/auth/2fa", tag = "Authentication", request_body = SecondFactorInput,
    params(("x-cart-token" = Option<String>, Header, description = "Token of the guest cart to merge.")),
    security((), ("bearer" = [])),
    responses(
        (status = OK, description = "The session with its tokens.", body = Session),
        (status = UNAUTHORIZED, description = "The token is unknown, used or expired \
            (`invalid_second_factor_token`), or there is neither a token nor an access token (`unauthenticated`)."),
        (status = CONFLICT, description = "The caller has no second factor (`second_factor_not_enabled`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`), or the \
            code is wrong or was used before (`invalid_code`); `errors` names the field."),
        (status = TOO_MANY_REQUESTS, description = "There were too many wrong codes (`rate_limited`)."),
    )
)]
pub(crate) async fn verify(
    State(app): State<App>,
    signed_in: Result<SignedIn, Problem>,
    client: Client,
    Json(input): Json<SecondFactorInput>,
) -> Result<Json<Session>, Problem> {
    let code = input.code;
    let Some(token) = input.token else {
        signed_in?;
        let response = app.identity().verify_second_factor(VerifySecondFactorRequest { code }).await?;
        return Ok(Json(present(response.into_inner().session)?.try_into()?));
    };
    let response = app.identity().complete_login(CompleteLoginRequest { token, code }).await?;
    let session = Session::try_from(present(response.into_inner().session)?)?;
    merge_guest_cart(&app, client.cart_token, &session).await;
    Ok(Json(session))
}

/// Generates the secret of a second factor.
///
/// Requires an access token and the password. The second factor is in use when its first code is confirmed.
#[utoipa::path(
    post, path = "/api/auth/2fa/enroll", tag = "Authentication", request_body = EnrollmentInput,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "The secret, for an authenticator app.", body = Enrollment),
        (status = CONFLICT, description = "The caller has a second factor (`second_factor_enabled`)."),
        (status = TOO_MANY_REQUESTS, description = "Too many passwords are being checked (`too_busy`)."),
    )
)]
pub(crate) async fn enroll(
    State(app): State<App>,
    _: SignedIn,
    Json(input): Json<EnrollmentInput>,
) -> Result<Json<Enrollment>, Problem> {
    let request = EnrollSecondFactorRequest { current_password: input.current_password };
    let response = app.identity().enroll_second_factor(request).await?.into_inner();
    Ok(Json(Enrollment { secret: response.secret, url: response.url }))
}

/// Enables the second factor with its first code.
///
/// Requires an access token. All sessions of the caller end, and a new one starts. Later logins require a code.
#[utoipa::path(
    post, path = "/api/auth/2fa/confirm", tag = "Authentication", request_body = CodeInput,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "Second factor enabled.", body = ConfirmedSecondFactor),
        (status = CONFLICT, description = "No second factor is enrolled (`second_factor_not_enabled`), or it is enabled \
            already (`second_factor_enabled`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`), or the \
            code is wrong (`invalid_code`); `errors` names the field."),
        (status = TOO_MANY_REQUESTS, description = "There were too many wrong codes (`rate_limited`)."),
    )
)]
pub(crate) async fn confirm(
    State(app): State<App>,
    _: SignedIn,
    client: Client,
    Json(input): Json<CodeInput>,
) -> Result<Json<ConfirmedSecondFactor>, Problem> {
    let request = ConfirmSecondFactorRequest { code: input.code, user_agent: client.user_agent };
    let response = app.identity().confirm_second_factor(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    let session = present(response.session)?.try_into()?;
    Ok(Json(ConfirmedSecondFactor { recovery_codes: response.recovery_codes, session }))
}

/// Removes the second factor.
///
/// Requires an access token, and a code of the authenticator app or a recovery code. All sessions of the caller end, and a
/// new one starts.
#[utoipa::path(
    post, path = "/api/auth/2fa/disable", tag = "Authentication", request_body = CodeInput,
    security(("bearer" = [])),
    responses(
        (status = OK, description = "Second factor removed; the new session.", body = Session),
        (status = CONFLICT, description = "The caller has no second factor (`second_factor_not_enabled`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`), or the \
            code is wrong or was used before (`invalid_code`); `errors` names the field."),
        (status = TOO_MANY_REQUESTS, description = "There were too many wrong codes (`rate_limited`)."),
    )
)]
pub(crate) async fn disable(
    State(app): State<App>,
    _: SignedIn,
    client: Client,
    Json(input): Json<CodeInput>,
) -> Result<Json<Session>, Problem> {
    let request = DisableSecondFactorRequest { code: input.code, user_agent: client.user_agent };
    let response = app.identity().disable_second_factor(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(Json(present(response.session)?.try_into()?))
}
