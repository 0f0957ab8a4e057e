//! `/api/cart`.

pub(crate) mod types;

use axum::{extract::State, response::IntoResponseParts};
use bodega_proto::cart::v1::{
    self as pb, AddItemRequest, ClearCartRequest, GetCartRequest, MergeGuestCartRequest, RemoveItemRequest,
    SetItemRequest,
};

use self::types::{AddToCartInput, Cart, CartQuantityInput, RemoveFromCartInput};
use crate::{
    app::App,
    extract::{CART_TOKEN, CartOwner, Json, Path},
    json::non_empty,
    problem::Problem,
    response::present,
};

/// Returns the cart.
///
/// A user sends an access token, a guest the `X-Cart-Token` of the guest cart. With both, the guest cart is merged into
/// the user's cart. Without either, the cart is empty.
#[utoipa::path(
    get, path = "/api/cart", tag = "Cart", security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Token of a guest cart.")),
    responses(
        (status = OK, description = "The cart.", body = Cart),
        (status = NOT_FOUND, description = "No guest cart has this token (`cart_not_found`)."),
    )
)]
pub(crate) async fn show(State(app): State<App>, owner: CartOwner) -> Result<Json<Cart>, Problem> {
    let guest_token = guest_token(&app, owner).await?;
    let response = app.cart().get_cart(GetCartRequest { guest_token }).await?.into_inner();
    cart_json(&app, response.cart)
}

/// Adds a product to the cart.
///
/// Users and guests may call it. The quantity is added to the quantity that is in the cart. A product with several variants
/// needs a `variantId`, which is enough alone. The first call of a guest without `X-Cart-Token` creates a guest cart and
/// returns its token.
#[utoipa::path(
    post, path = "/api/cart/add", tag = "Cart", request_body = AddToCartInput, security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Token of a guest cart.")),
    responses(
        (status = OK, description = "The cart after the change.", body = Cart, headers(
            ("x-cart-token" = String, description = "Token of the guest cart that the call created."),
        )),
        (status = NOT_FOUND, description = "The product or the variant does not exist (`product_not_found`, \
            `variant_not_found`), or no guest cart has this token (`cart_not_found`)."),
        (status = CONFLICT, description = "The cart has the maximum number of products (`cart_full`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`), or the \
            product has several variants, which the error names (`variant_required`)."),
        (status = TOO_MANY_REQUESTS),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    owner: CartOwner,
    Json(input): Json<AddToCartInput>,
) -> Result<(impl IntoResponseParts + use<>, Json<Cart>), Problem> {
    let (product_id, variant_id) = input.ids()?;
    let guest_token = guest_token(&app, owner).await?;
    let request = AddItemRequest { guest_token, product_id, quantity: input.quantity, variant_id };
    let response = app.cart().add_item(request).await?.into_inner();
    let cart = Cart::new(present(response.cart)?, app.currency()).with_token(&response.guest_token);
    let token = non_empty(response.guest_token);
    Ok((token.map(|token| [(CART_TOKEN, token)]), Json(cart)))
}

/// Removes a product from the cart.
///
/// Users and guests may call it.
#[utoipa::path(
    post, path = "/api/cart/remove", tag = "Cart", request_body = RemoveFromCartInput,
    security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Token of a guest cart.")),
    responses(
        (status = OK, description = "The cart after the change.", body = Cart),
        (status = NOT_FOUND, description = "The product is not in the cart (`item_not_found`), or no guest cart has \
            this token (`cart_not_found`)."),
    )
)]
pub(crate) async fn remove(
    State(app): State<App>,
    owner: CartOwner,
    Json(input): Json<RemoveFromCartInput>,
) -> Result<Json<Cart>, Problem> {
    remove_item(State(app), owner, Path(input.line()?)).await
}

/// Sets the quantity of a product in the cart.
///
/// Users and guests may call it. A quantity of 0 removes the product. PUT and PATCH do the same.
#[utoipa::path(
    method(put, patch), path = "/api/cart/items/{productId}", tag = "Cart", request_body = CartQuantityInput,
    security((), ("bearer" = [])),
    params(
        ("productId" = i32, Path, description = "`variantId` of the line; that of a product without options is its id."),
        ("x-cart-token" = Option<String>, Header, description = "Token of a guest cart."),
    ),
    responses(
        (status = OK, description = "The cart after the change.", body = Cart),
        (status = NOT_FOUND, description = "The product is not in the cart (`item_not_found`), or no guest cart has \
            this token (`cart_not_found`)."),
    )
)]
pub(crate) async fn set_item(
    State(app): State<App>,
    owner: CartOwner,
    Path(product_id): Path<i32>,
    Json(input): Json<CartQuantityInput>,
) -> Result<Json<Cart>, Problem> {
    let guest_token = guest_token(&app, owner).await?;
    let request = SetItemRequest { guest_token, product_id, quantity: input.quantity };
    let response = app.cart().set_item(request).await?.into_inner();
    cart_json(&app, response.cart)
}

/// Removes a product from the cart.
///
/// Users and guests may call it.
#[utoipa::path(
    delete, path = "/api/cart/items/{productId}", tag = "Cart", security((), ("bearer" = [])),
    params(
        ("productId" = i32, Path, description = "`variantId` of the line; that of a product without options is its id."),
        ("x-cart-token" = Option<String>, Header, description = "Token of a guest cart."),
    ),
    responses(
        (status = OK, description = "The cart after the change.", body = Cart),
        (status = NOT_FOUND, description = "The product is not in the cart (`item_not_found`), or no guest cart has \
            this token (`cart_not_found`)."),
    )
)]
pub(crate) async fn remove_item(
    State(app): State<App>,
    owner: CartOwner,
    Path(product_id): Path<i32>,
) -> Result<Json<Cart>, Problem> {
    let guest_token = guest_token(&app, owner).await?;
    let response = app.cart().remove_item(RemoveItemRequest { guest_token, product_id }).await?.into_inner();
    cart_json(&app, response.cart)
}

/// Removes all products from the cart.
///
/// Users and guests may call it.
#[utoipa::path(
    delete, path = "/api/cart", tag = "Cart", security((), ("bearer" = [])),
    params(("x-cart-token" = Option<String>, Header, description = "Token of a guest cart.")),
    responses(
        (status = OK, description = "The empty cart.", body = Cart),
        (status = NOT_FOUND, description = "No guest cart has this token (`cart_not_found`)."),
    )
)]
pub(crate) async fn clear(State(app): State<App>, owner: CartOwner) -> Result<Json<Cart>, Problem> {
    let guest_token = guest_token(&app, owner).await?;
    let response = app.cart().clear_cart(ClearCartRequest { guest_token }).await?.into_inner();
    cart_json(&app, response.cart)
}

/// Returns the token of the guest cart that a request is for; empty for the cart of a user.
///
/// If a user still sends a guest token, the merge at login failed: the guest cart is merged first.
async fn guest_token(app: &App, owner: CartOwner) -> Result<String, Problem> {
    let guest_token = owner.guest_token;
    if owner.caller.is_none() {
        return Ok(guest_token);
    }
    if !guest_token.is_empty() {
        app.cart().merge_guest_cart(MergeGuestCartRequest { guest_token }).await?;
    }
    Ok(String::new())
}

fn cart_json(app: &App, cart: Option<pb::Cart>) -> Result<Json<Cart>, Problem> {
    Ok(Json(Cart::new(present(cart)?, app.currency())))
}
