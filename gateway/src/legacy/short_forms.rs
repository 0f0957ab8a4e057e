//! Canonical routes that also answer without `/api`, and under an older name.

use axum::{extract::State, response::IntoResponseParts};
use http::StatusCode;
use uuid::Uuid;

use crate::{
    answer::Created,
    api::{auth, cart, orders},
    app::App,
    extract::{Admin, CartOwner, Client, IdempotencyKey, Json, Path, SignedIn},
    json::{AddInput, Cart, LoginInput, MoveInput, Order, OrderInput, RegisterInput, RemoveInput, Session},
    problem::Problem,
};

/// Makes an account and signs it in, as `POST /api/auth/register` does.
#[utoipa::path(
    post, path = "/auth/signup", tag = "Classic", request_body = RegisterInput,
    params(("x-cart-token" = Option<String>, Header, description = "Of the guest cart to take over.")),
    responses((status = CREATED, body = Session), (status = CONFLICT, body = Problem))
)]
pub(crate) async fn signup(
    app: State<App>,
    client: Client,
    input: Json<RegisterInput>,
) -> Result<(StatusCode, Json<Session>), Problem> {
    auth::register(app, client, input).await
}

/// Short for `POST /api/auth/register`.
#[utoipa::path(
    post, path = "/auth/register", tag = "Classic", request_body = RegisterInput,
    params(("x-cart-token" = Option<String>, Header, description = "Of the guest cart to take over.")),
    responses((status = CREATED, body = Session), (status = CONFLICT, body = Problem))
)]
pub(crate) async fn register(
    app: State<App>,
    client: Client,
    input: Json<RegisterInput>,
) -> Result<(StatusCode, Json<Session>), Problem> {
    auth::register(app, client, input).await
}

/// Short for `POST /api/auth/login`.
#[utoipa::path(
    post, path = "/auth/login", tag = "Classic", request_body = LoginInput,
    params(("x-cart-token" = Option<String>, Header, description = "Of the guest cart to take over.")),
    responses(
        (status = OK, body = Session),
        (status = UNAUTHORIZED, body = Problem, description = "No such account, or not its password."),
        (status = TOO_MANY_REQUESTS, body = Problem),
    )
)]
pub(crate) async fn login(
    app: State<App>,
    client: Client,
    input: Json<LoginInput>,
) -> Result<Json<Session>, Problem> {
    auth::login(app, client, input).await
}

/// Short for `POST /api/auth/logout`.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Classic", security(("bearer" = [])), responses((status = NO_CONTENT))
)]
pub(crate) async fn logout(app: State<App>, caller: SignedIn) -> Result<StatusCode, Problem> {
    auth::logout(app, caller).await
}

/// Short for `POST /api/cart/add`.
#[utoipa::path(
    post, path = "/cart/add", tag = "Classic", request_body = AddInput, security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Of a guest's cart.")),
    responses(
        (status = OK, body = Cart, headers(("x-cart-token" = String, description = "Of a guest's new cart."))),
        (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn add_to_cart(
    app: State<App>,
    owner: CartOwner,
    input: Json<AddInput>,
) -> Result<(impl IntoResponseParts, Json<Cart>), Problem> {
    cart::add(app, owner, input).await
}

/// Short for `POST /api/cart/remove`.
#[utoipa::path(
    post, path = "/cart/remove", tag = "Classic", request_body = RemoveInput, security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Of a guest's cart.")),
    responses((status = OK, body = Cart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn remove_from_cart(
    app: State<App>,
    owner: CartOwner,
    input: Json<RemoveInput>,
) -> Result<Json<Cart>, Problem> {
    cart::remove(app, owner, input).await
}

/// Short for `POST /api/orders`.
#[utoipa::path(
    post, path = "/orders", tag = "Classic", security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/OrderInput"), content_type = "application/json",
        description = "May be left out."),
    params(("idempotency-key" = Option<String>, Header, max_length = 255,
        description = "The same key gives the same order; with another body it is a 422.")),
    responses(
        (status = CREATED, body = Order, headers(("location" = String))), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn place_order(
    app: State<App>,
    caller: SignedIn,
    key: IdempotencyKey,
    input: Option<Json<OrderInput>>,
) -> Result<Created<Order>, Problem> {
    orders::place(app, caller, key, input).await
}

/// Short for `PATCH /api/orders/{id}`.
#[utoipa::path(
    patch, path = "/orders/{id}", tag = "Classic", params(("id" = Uuid, Path)), request_body = MoveInput,
    security(("bearer" = [])),
    responses(
        (status = OK, body = Order), (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
        (status = CONFLICT, body = Problem, description = "It cannot go there from where it stands."),
    )
)]
pub(crate) async fn advance_order(
    app: State<App>,
    admin: Admin,
    id: Path<Uuid>,
    input: Json<MoveInput>,
) -> Result<Json<Order>, Problem> {
    orders::advance(app, admin, id, input).await
}
