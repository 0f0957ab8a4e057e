//! `/api/auth/password` and `/api/auth/email`: a way back into an account with tokens that are mailed.

use axum::extract::State;
use bodega_proto::identity::v1::{
    RequestPasswordResetRequest, ResendVerificationRequest, ResetPasswordRequest, UndoEmailChangeRequest,
    VerifyEmailRequest,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    extract::{Json, SignedIn},
    problem::Problem,
};

/// The address of a user who has forgotten the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com"}))]
pub(crate) struct ForgottenInput {
    /// Email address of the account, case-insensitive.
    #[schema(max_length = 254)]
    email: String,
}

/// A mailed token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "kR6x0hYbYc8dSgk0QmV0JwkR6x0hYbYc8dSgk0QmV0J"}))]
pub(crate) struct TokenInput {
    /// Token of the mail.
    token: String,
}

/// A mailed token and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "token": "kR6x0hYbYc8dSgk0QmV0JwkR6x0hYbYc8dSgk0QmV0J", "password": "staple of another horse"
}))]
pub(crate) struct ResetInput {
    /// Token of the mail.
    token: String,
    /// New password of any characters. Common passwords, the name, the username and the email are rejected.
    #[schema(min_length = 8, max_length = 256)]
    password: String,
}

/// Mails a link that sets a new password.
///
/// Anyone may call it. The response is the same whether a user has the address; at most one mail is sent to an address within
/// 20 minutes.
#[utoipa::path(
    post, path = "/api/auth/password/forgot", tag = "Authentication", request_body = ForgottenInput,
    responses(
        (status = ACCEPTED, description = "If an enabled user has the address, a mail is sent to it. No content."),
        (status = SERVICE_UNAVAILABLE, description = "No mail can be sent (`mail_not_configured`)."),
    )
)]
pub(crate) async fn forgot_password(
    State(app): State<App>,
    Json(input): Json<ForgottenInput>,
) -> Result<StatusCode, Problem> {
    app.recovery().request_password_reset(RequestPasswordResetRequest { email: input.email }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password with a mailed token.
///
/// Anyone with the token may call it, once, within an hour. Ends all sessions of the user, and confirms the address. A rejected
/// password leaves the token valid.
#[utoipa::path(
    post, path = "/api/auth/password/reset", tag = "Authentication", request_body = ResetInput,
    responses(
        (status = NO_CONTENT, description = "Password set. No content."),
        (status = BAD_REQUEST, description = "The token is invalid, was used, or has expired (`invalid_token`)."),
        (status = TOO_MANY_REQUESTS, description = "Too many passwords are being checked (`too_busy`)."),
    )
)]
pub(crate) async fn reset_password(
    State(app): State<App>,
    Json(input): Json<ResetInput>,
) -> Result<StatusCode, Problem> {
    let request = ResetPasswordRequest { token: input.token, password: input.password };
    let response = app.recovery().reset_password(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}

/// Confirms an email address with a mailed token.
///
/// Anyone with the token may call it within three days, also repeatedly.
#[utoipa::path(
    post, path = "/api/auth/email/verify", tag = "Authentication", request_body = TokenInput,
    responses(
        (status = NO_CONTENT, description = "Address confirmed. No content."),
        (status = BAD_REQUEST, description = "The token is invalid, has expired, or was sent to an earlier address \
            (`invalid_token`)."),
    )
)]
pub(crate) async fn verify_email(
    State(app): State<App>,
    Json(input): Json<TokenInput>,
) -> Result<StatusCode, Problem> {
    app.recovery().verify_email(VerifyEmailRequest { token: input.token }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Mails the link that confirms the caller's email address again.
///
/// Requires an access token. Does nothing if the address is confirmed; sends at most one mail a minute.
#[utoipa::path(
    post, path = "/api/auth/email/resend", tag = "Authentication", security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "The mail is sent, unless the address is confirmed. No content."),
        (status = SERVICE_UNAVAILABLE, description = "No mail can be sent (`mail_not_configured`)."),
    )
)]
pub(crate) async fn resend_verification(State(app): State<App>, _: SignedIn) -> Result<StatusCode, Problem> {
    app.recovery().resend_verification(ResendVerificationRequest {}).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restores the email address that was replaced, with the token that was mailed to it.
///
/// Anyone with the token may call it, once, within seven days. Ends all sessions of the user.
#[utoipa::path(
    post, path = "/api/auth/email/undo", tag = "Authentication", request_body = TokenInput,
    responses(
        (status = NO_CONTENT, description = "Address restored. No content."),
        (status = BAD_REQUEST, description = "The token is invalid, was used, or has expired (`invalid_token`)."),
        (status = CONFLICT, description = "Another user has this email by now (`email_taken`)."),
    )
)]
pub(crate) async fn undo_email_change(
    State(app): State<App>,
    Json(input): Json<TokenInput>,
) -> Result<StatusCode, Problem> {
    let request = UndoEmailChangeRequest { token: input.token };
    let response = app.recovery().undo_email_change(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
