//! Signing in, staying signed in, signing out.

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

use crate::{
    answer::present,
    app::App,
    extract::{Client, Json, Path, SignedIn},
    json::{LoginInput, RefreshInput, RegisterInput, Session, SessionInfo, Sessions},
    problem::Problem,
};

/// Makes an account and signs it in; with `X-Cart-Token`, the guest's cart becomes the account's.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "Authentication", request_body = RegisterInput,
    params(("x-cart-token" = Option<String>, Header, description = "Of the guest cart to take over.")),
    responses((status = CREATED, body = Session), (status = CONFLICT, body = Problem))
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
    let answer = app.identity().register(request).await?.into_inner();
    let session = Session::try_from(present(answer.session)?)?;
    merge_guest_cart(&app, client.cart_token, &session).await;
    Ok((StatusCode::CREATED, Json(session)))
}

/// Signs in by email or username; with `X-Cart-Token`, the guest's cart is added to the account's.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "Authentication", request_body = LoginInput,
    params(("x-cart-token" = Option<String>, Header, description = "Of the guest cart to take over.")),
    responses(
        (status = OK, body = Session),
        (status = UNAUTHORIZED, body = Problem, description = "No such account, or not its password."),
        (status = TOO_MANY_REQUESTS, body = Problem),
    )
)]
pub(crate) async fn login(
    State(app): State<App>,
    client: Client,
    Json(input): Json<LoginInput>,
) -> Result<Json<Session>, Problem> {
    let (login, password) = input.credentials()?;
    let request = LoginRequest { login, password, user_agent: client.user_agent };
    let answer = app.identity().login(request).await?.into_inner();
    let session = Session::try_from(present(answer.session)?)?;
    merge_guest_cart(&app, client.cart_token, &session).await;
    Ok(Json(session))
}

/// Adds the guest's cart to that of the user who has just signed in.
///
/// A failure is not the client's: it is signed in, it still has the token of the cart, and showing both merges them.
async fn merge_guest_cart(app: &App, guest_token: String, session: &Session) {
    if guest_token.is_empty() {
        return;
    }
    let mut context = CallContext::current().with_bearer(session.token());
    let latest = Instant::now() + app.settings().patience();
    context.deadline = Some(context.deadline.map_or(latest, |deadline| deadline.min(latest)));
    let mut cart = app.cart();
    if let Err(cause) = context.scope(cart.merge_guest_cart(MergeGuestCartRequest { guest_token })).await {
        tracing::warn!("a guest's cart waits to be merged: {:?}", cause.code());
    }
}

/// Trades a refresh token for a new pair of tokens. Needs no access token.
#[utoipa::path(
    post, path = "/api/auth/refresh", tag = "Authentication", request_body = RefreshInput,
    responses(
        (status = OK, body = Session),
        (status = UNAUTHORIZED, body = Problem, description = "Not the latest refresh token of a live session."),
    )
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    Json(input): Json<RefreshInput>,
) -> Result<Json<Session>, Problem> {
    let request = RefreshRequest { refresh_token: input.refresh_token };
    let answer = app.identity().refresh(request).await?.into_inner();
    Ok(Json(present(answer.session)?.try_into()?))
}

/// Ends this session, its access token included.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "Authentication", security(("bearer" = [])),
    responses((status = NO_CONTENT))
)]
pub(crate) async fn logout(State(app): State<App>, _: SignedIn) -> Result<StatusCode, Problem> {
    let answer = app.identity().logout(LogoutRequest {}).await?.into_inner();
    app.revocations().extend(&answer.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session of the caller, this one included.
#[utoipa::path(
    post, path = "/api/auth/logout-all", tag = "Authentication", security(("bearer" = [])),
    responses((status = NO_CONTENT))
)]
pub(crate) async fn logout_all(State(app): State<App>, _: SignedIn) -> Result<StatusCode, Problem> {
    let answer = app.identity().logout_all(LogoutAllRequest {}).await?.into_inner();
    app.revocations().extend(&answer.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's live sessions, latest first.
#[utoipa::path(
    get, path = "/api/auth/sessions", tag = "Authentication", security(("bearer" = [])),
    responses((status = OK, body = Sessions))
)]
pub(crate) async fn sessions(State(app): State<App>, _: SignedIn) -> Result<Json<Sessions>, Problem> {
    let answer = app.identity().list_sessions(ListSessionsRequest {}).await?.into_inner();
    Ok(Json(Sessions { items: answer.sessions.into_iter().map(SessionInfo::from).collect() }))
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    delete, path = "/api/auth/sessions/{id}", tag = "Authentication", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = NO_CONTENT), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn end_session(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let request = EndSessionRequest { session_id: id.to_string() };
    let answer = app.identity().end_session(request).await?.into_inner();
    app.revocations().extend(&answer.ended_session_ids);
    Ok(StatusCode::NO_CONTENT)
}
