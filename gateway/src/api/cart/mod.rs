//! The cart: a user's, or a guest's who shows its token.

pub(crate) mod types;

use axum::{extract::State, response::IntoResponseParts};
use bodega_proto::cart::v1::{
    self as pb, AddItemRequest, ClearCartRequest, GetCartRequest, MergeGuestCartRequest, RemoveItemRequest,
    SetItemRequest,
};

use crate::{
    answer::present,
    app::App,
    extract::{CART_TOKEN, CartOwner, Json, Path},
    json::{AddInput, Cart, QuantityInput, RemoveInput},
    problem::Problem,
};

/// Shows the cart.
#[utoipa::path(
    get, path = "/api/cart", tag = "Cart", security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Of a guest's cart.")),
    responses((status = OK, body = Cart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn show(State(app): State<App>, owner: CartOwner) -> Result<Json<Cart>, Problem> {
    let guest_token = claim(&app, owner).await?;
    let answer = app.cart().get_cart(GetCartRequest { guest_token }).await?.into_inner();
    shown(&app, answer.cart)
}

/// Adds a product, on top of what the cart has of it. A guest without a cart gets one, and its token.
#[utoipa::path(
    post, path = "/api/cart/add", tag = "Cart", request_body = AddInput, security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Of a guest's cart.")),
    responses(
        (status = OK, body = Cart, headers(("x-cart-token" = String, description = "Of a guest's new cart."))),
        (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    owner: CartOwner,
    Json(input): Json<AddInput>,
) -> Result<(impl IntoResponseParts, Json<Cart>), Problem> {
    let guest_token = claim(&app, owner).await?;
    let request = AddItemRequest { guest_token, product_id: input.product_id, quantity: input.quantity };
    let answer = app.cart().add_item(request).await?.into_inner();
    let cart = Cart::new(present(answer.cart)?, app.currency()).with_token(&answer.guest_token);
    let token = Some(answer.guest_token).filter(|token| !token.is_empty());
    Ok((token.map(|token| [(CART_TOKEN, token)]), Json(cart)))
}

/// Removes a product.
#[utoipa::path(
    post, path = "/api/cart/remove", tag = "Cart", request_body = RemoveInput, security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Of a guest's cart.")),
    responses((status = OK, body = Cart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn remove(
    State(app): State<App>,
    owner: CartOwner,
    Json(input): Json<RemoveInput>,
) -> Result<Json<Cart>, Problem> {
    remove_item(State(app), owner, Path(input.product_id)).await
}

/// Sets how many of a product the cart has; 0 removes it.
#[utoipa::path(
    method(put, patch), path = "/api/cart/items/{productId}", tag = "Cart", request_body = QuantityInput,
    params(
        ("productId" = i32, Path),
        ("x-cart-token" = Option<String>, Header, description = "Of a guest's cart."),
    ),
    security((), ("bearer" = [])), responses((status = OK, body = Cart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn set_item(
    State(app): State<App>,
    owner: CartOwner,
    Path(product_id): Path<i32>,
    Json(input): Json<QuantityInput>,
) -> Result<Json<Cart>, Problem> {
    let guest_token = claim(&app, owner).await?;
    let request = SetItemRequest { guest_token, product_id, quantity: input.quantity };
    let answer = app.cart().set_item(request).await?.into_inner();
    shown(&app, answer.cart)
}

/// Removes a product.
#[utoipa::path(
    delete, path = "/api/cart/items/{productId}", tag = "Cart", security((), ("bearer" = [])),
    params(
        ("productId" = i32, Path),
        ("x-cart-token" = Option<String>, Header, description = "Of a guest's cart."),
    ),
    responses((status = OK, body = Cart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn remove_item(
    State(app): State<App>,
    owner: CartOwner,
    Path(product_id): Path<i32>,
) -> Result<Json<Cart>, Problem> {
    let guest_token = claim(&app, owner).await?;
    let answer = app.cart().remove_item(RemoveItemRequest { guest_token, product_id }).await?.into_inner();
    shown(&app, answer.cart)
}

/// Empties the cart.
#[utoipa::path(
    delete, path = "/api/cart", tag = "Cart", security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Of a guest's cart.")),
    responses((status = OK, body = Cart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn clear(State(app): State<App>, owner: CartOwner) -> Result<Json<Cart>, Problem> {
    let guest_token = claim(&app, owner).await?;
    let answer = app.cart().clear_cart(ClearCartRequest { guest_token }).await?.into_inner();
    shown(&app, answer.cart)
}

/// The token of the guest whose cart it is; empty for a user, who first gets what the guest's cart holds: a merge
/// that was lost at sign-in is made up for here.
async fn claim(app: &App, owner: CartOwner) -> Result<String, Problem> {
    let guest_token = owner.guest_token;
    if owner.caller.is_none() {
        return Ok(guest_token);
    }
    if !guest_token.is_empty() {
        app.cart().merge_guest_cart(MergeGuestCartRequest { guest_token }).await?;
    }
    Ok(String::new())
}

fn shown(app: &App, cart: Option<pb::Cart>) -> Result<Json<Cart>, Problem> {
    Ok(Json(Cart::new(present(cart)?, app.currency())))
}
