//! The cart of somebody who is signed in.

use axum::extract::State;
use bodega_proto::cart::v1::{self as pb, AddItemRequest, GetCartRequest, RemoveItemRequest, SetItemRequest};

use super::types::ClassicCart;
use crate::{
    answer::present,
    app::App,
    extract::{Json, Path, SignedIn},
    json::{AddInput, QuantityInput},
    problem::Problem,
};

/// Adds a product, on top of what the cart has of it.
#[utoipa::path(
    post, path = "/cart", tag = "Classic", request_body = AddInput, security(("bearer" = [])),
    responses(
        (status = OK, body = ClassicCart),
        (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    _: SignedIn,
    Json(input): Json<AddInput>,
) -> Result<Json<ClassicCart>, Problem> {
    let request =
        AddItemRequest { product_id: input.product_id, quantity: input.quantity, ..Default::default() };
    shown(&app, app.cart().add_item(request).await?.into_inner().cart)
}

/// Shows the cart.
#[utoipa::path(
    get, path = "/cart", tag = "Classic", security(("bearer" = [])), responses((status = OK, body = ClassicCart))
)]
pub(crate) async fn show(State(app): State<App>, _: SignedIn) -> Result<Json<ClassicCart>, Problem> {
    shown(&app, app.cart().get_cart(GetCartRequest::default()).await?.into_inner().cart)
}

/// Sets how many of a product the cart has; 0 removes it.
#[utoipa::path(
    put, path = "/cart/{productId}", tag = "Classic", params(("productId" = i32, Path)),
    request_body = QuantityInput, security(("bearer" = [])),
    responses((status = OK, body = ClassicCart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn set_item(
    State(app): State<App>,
    _: SignedIn,
    Path(product_id): Path<i32>,
    Json(input): Json<QuantityInput>,
) -> Result<Json<ClassicCart>, Problem> {
    let request = SetItemRequest { product_id, quantity: input.quantity, ..Default::default() };
    shown(&app, app.cart().set_item(request).await?.into_inner().cart)
}

/// Removes a product.
#[utoipa::path(
    delete, path = "/cart/{productId}", tag = "Classic", params(("productId" = i32, Path)),
    security(("bearer" = [])),
    responses((status = OK, body = ClassicCart), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn remove_item(
    State(app): State<App>,
    _: SignedIn,
    Path(product_id): Path<i32>,
) -> Result<Json<ClassicCart>, Problem> {
    let request = RemoveItemRequest { product_id, ..Default::default() };
    shown(&app, app.cart().remove_item(request).await?.into_inner().cart)
}

fn shown(app: &App, cart: Option<pb::Cart>) -> Result<Json<ClassicCart>, Problem> {
    Ok(Json(ClassicCart::new(present(cart)?, app.currency())))
}
