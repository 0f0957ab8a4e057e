//! `/api/auth`.

pub(crate) mod second_factor;
pub(crate) mod types;

use axum::extract::State;
use bodega_proto::{
    cart::v1::MergeGuestCartRequest,
    identity::v1::{
        EndSessionRequest, ListSessionsRequest, LoginRequest, LogoutAllRequest, LogoutRequest,
        RefreshRequest, RegisterRequest,
    },
};
use bodega_runtime::context::CallContext;
use http::StatusCode;
use tokio::time::Instant;
use uuid::Uuid;

use self::types::{LoginInput, RefreshInput, RegisterInput, Session, SessionInfo, SessionList};
use crate::{
    app::App,
    extract::{Client, Json, Path, SignedIn},
    problem::Problem,
    response::present,
};

/// Registers a user and starts a session.
///
/// Anyone may call it. With `X-Cart-Token`, the guest cart becomes the cart of the new user.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "Authentication", request_body = RegisterInput,
    params(("x-cart-token" = Option<String>, Header, description = "Token of the guest cart to merge.")),
    responses(
        (status = CREATED, description = "User created, session started.", body = Session),
        (status = CONFLICT,
            description = "Another user has this email (`email_taken`) or this username (`username_taken`)."),
        (status = TOO_MANY_REQUESTS, description = "Too many passwords are being checked (`too_busy`)."),
    )
)]
pub(crate) async fn register(
    State(app): State<App>,
    client: Client,
    Json(input): Json<RegisterInput>,
) -> Result<(StatusCode, Json<Session>), Problem> {
    let request = RegisterRequest {
        name: input.name,
        email: input.email,
        username: input.username.unwrap_or_default(),
        password: input.password,
        user_agent: client.user_agent,
    };
    let response = app.identity().register(request).await?.into_inner();
    let session = Session::try_from(present(response.session)?)?;
    merge_guest_cart(&app, client.cart_token, &session).await;
    Ok((StatusCode::CREATED, Json(session)))
}

/// Logs a user in and starts a session.
///
/// Anyone may call it, with either `email`, `username` or `login`. With `X-Cart-Token`, the guest cart is merged into the
/// user's cart.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "Authentication", request_body = LoginInput,
    params(("x-cart-token" = Option<String>, Header, description = "Token of the guest cart to merge.")),
    responses(
        (status = OK, description = "Session started.", body = Session),
        (status = UNAUTHORIZED, description = "No enabled user has this login and password (`invalid_credentials`), or \
            the user has a second factor (`second_factor_required`): `secondFactor.token` is for `POST /api/auth/2fa`."),
        (status = TOO_MANY_REQUESTS, description = "Too many passwords are being checked (`too_busy`)."),
    )
)]
pub(crate) async fn login(
    State(app): State<App>,
    client: Client,
    Json(input): Json<LoginInput>,
) -> Result<Json<Session>, Problem> {
    let (login, password) = input.credentials()?;
    let request = LoginRequest { login, password, user_agent: client.user_agent };
    let response = app.identity().login(request).await?.into_inner();
    let session = Session::try_from(present(response.session)?)?;
    merge_guest_cart(&app, client.cart_token, &session).await;
    Ok(Json(session))
}

/// Merges the guest cart into the cart of the user of a new session.
///
/// A failure does not fail the login: the client still has the token of the guest cart, and the next request for the cart
/// merges it.
async fn merge_guest_cart(app: &App, guest_token: String, session: &Session) {
    if guest_token.is_empty() {
        return;
    }
    let mut context = CallContext::current().with_bearer(session.token());
    let latest = Instant::now() + app.settings().optional_step_timeout();
    context.deadline = Some(context.deadline.map_or(latest, |deadline| deadline.min(latest)));
    let mut cart = app.cart();
    if let Err(status) = context.scope(cart.merge_guest_cart(MergeGuestCartRequest { guest_token })).await {
        tracing::warn!(
            "guest cart not merged at login, the next request for the cart will: {:?}",
            status.code()
        );
    }
}

/// Exchanges a refresh token for a new access token and a new refresh token.
///
/// Anyone may call it; no access token is required. Each refresh token works once: reuse of an old one ends the session.
#[utoipa::path(
    post, path = "/api/auth/refresh", tag = "Authentication", request_body = RefreshInput,
    responses(
        (status = OK, description = "New tokens of the session.", body = Session),
        (status = UNAUTHORIZED, description = "The refresh token is unknown or was used, or its session has expired \
            or ended (`invalid_refresh_token`)."),
        (status = TOO_MANY_REQUESTS),
    )
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    Json(input): Json<RefreshInput>,
) -> Result<Json<Session>, Problem> {
    let request = RefreshRequest { refresh_token: input.refresh_token };
    let response = app.identity().refresh(request).await?.into_inner();
    Ok(Json(present(response.session)?.try_into()?))
}

/// Ends the session of the access token.
///
/// Requires an access token. The access token and the refresh token of the session become invalid at once.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "Authentication", security(("bearer" = [])),
    responses((status = NO_CONTENT, description = "Session ended. No content."))
)]
pub(crate) async fn logout(State(app): State<App>, _: SignedIn) -> Result<StatusCode, Problem> {
    let response = app.identity().logout(LogoutRequest {}).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of the caller, including the current one.
///
/// Requires an access token.
#[utoipa::path(
    post, path = "/api/auth/logout-all", tag = "Authentication", security(("bearer" = [])),
    responses((status = NO_CONTENT, description = "Sessions ended. No content."))
)]
pub(crate) async fn logout_all(State(app): State<App>, _: SignedIn) -> Result<StatusCode, Problem> {
    let response = app.identity().logout_all(LogoutAllRequest {}).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the active sessions of the caller.
///
/// Requires an access token. Newest sessions first.
#[utoipa::path(
    get, path = "/api/auth/sessions", tag = "Authentication", security(("bearer" = [])),
    responses((status = OK, description = "The active sessions of the caller.", body = SessionList))
)]
pub(crate) async fn sessions(State(app): State<App>, _: SignedIn) -> Result<Json<SessionList>, Problem> {
    let response = app.identity().list_sessions(ListSessionsRequest {}).await?.into_inner();
    Ok(Json(SessionList { items: response.sessions.into_iter().map(SessionInfo::from).collect() }))
}

/// Ends a session of the caller.
///
/// Requires an access token.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{id}", tag = "Authentication",
    params(("id" = Uuid, Path, description = "Id of the session.")), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "Session ended. No content."),
        (status = NOT_FOUND,
            description = "The session does not exist or belongs to another user (`session_not_found`)."),
    )
)]
pub(crate) async fn end_session(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let request = EndSessionRequest { session_id: id.to_string() };
    let response = app.identity().end_session(request).await?.into_inner();
    app.revocations().extend(&response.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
