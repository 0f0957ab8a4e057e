//! `/cart`.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::cart::{
        self,
        types::{AddToCartInput, Cart, CartLine, CartQuantityInput},
    },
    app::App,
    extract::{CartOwner, Json, Path, SignedIn},
    json::Amount,
    problem::Problem,
};

/// A cart with current prices.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "products": [{
        "productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "subtotal": 25.00,
        "imageUrl": "https://example.com/mug.jpg"
    }],
    "totalPrice": 25.00
}))]
pub(crate) struct LegacyCart {
    /// Lines in the order in which the products were added.
    products: Vec<LegacyCartLine>,
    /// Sum of the subtotals.
    total_price: Amount,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LegacyCartLine {
    /// Id of the product.
    product_id: i32,
    /// Current name of the product.
    name: String,
    /// Current unit price in major units of the currency, for example 12.50.
    price: Amount,
    /// Number of units.
    quantity: i32,
    /// Price times quantity.
    subtotal: Amount,
    /// URL of the main image of the product, or null when it has none.
    #[schema(required)]
    image_url: Option<String>,
}

impl From<Cart> for LegacyCart {
    fn from(cart: Cart) -> Self {
        let line = |line: CartLine| LegacyCartLine {
            // The id by which the line is changed and removed.
            product_id: line.variant_id,
            name: line.name,
            price: line.price,
            quantity: line.quantity,
            subtotal: line.line_total,
            image_url: line.image_url,
        };
        Self { products: cart.products.into_iter().map(line).collect(), total_price: cart.total_price }
    }
}

/// The cart of the caller: an `X-Cart-Token` is ignored.
fn users_cart() -> CartOwner {
    CartOwner { caller: None, guest_token: String::new() }
}

/// Adds a product to the cart.
///
/// Requires an access token. The quantity is added to the quantity that is in the cart.
#[utoipa::path(
    post, path = "/cart", tag = "Legacy", request_body = AddToCartInput, security(("bearer" = [])),
    responses(
        (status = OK, description = "The cart after the change.", body = LegacyCart),
        (status = NOT_FOUND, description = "The product or the variant does not exist (`product_not_found`, \
            `variant_not_found`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`), or the \
            product has several variants, which the error names (`variant_required`)."),
        (status = CONFLICT, description = "The cart has the maximum number of products (`cart_full`)."),
    )
)]
pub(crate) async fn add(
    app: State<App>,
    _: SignedIn,
    input: Json<AddToCartInput>,
) -> Result<Json<LegacyCart>, Problem> {
    let (_, Json(cart)) = cart::add(app, users_cart(), input).await?;
    Ok(Json(cart.into()))
}

/// Returns the cart.
///
/// Requires an access token.
#[utoipa::path(
    get, path = "/cart", tag = "Legacy", security(("bearer" = [])),
    responses((status = OK, description = "The cart.", body = LegacyCart))
)]
pub(crate) async fn show(app: State<App>, _: SignedIn) -> Result<Json<LegacyCart>, Problem> {
    let Json(cart) = cart::show(app, users_cart()).await?;
    Ok(Json(cart.into()))
}

/// Sets the quantity of a product in the cart.
///
/// Requires an access token. A quantity of 0 removes the product.
#[utoipa::path(
    put, path = "/cart/{productId}", tag = "Legacy", request_body = CartQuantityInput, security(("bearer" = [])),
    params(("productId" = i32, Path, description = "Id of the product.")),
    responses(
        (status = OK, description = "The cart after the change.", body = LegacyCart),
        (status = NOT_FOUND, description = "The product is not in the cart (`item_not_found`)."),
    )
)]
pub(crate) async fn set_item(
    app: State<App>,
    _: SignedIn,
    product_id: Path<i32>,
    input: Json<CartQuantityInput>,
) -> Result<Json<LegacyCart>, Problem> {
    let Json(cart) = cart::set_item(app, users_cart(), product_id, input).await?;
    Ok(Json(cart.into()))
}

/// Removes a product from the cart.
///
/// Requires an access token.
#[utoipa::path(
    delete, path = "/cart/{productId}", tag = "Legacy", security(("bearer" = [])),
    params(("productId" = i32, Path, description = "Id of the product.")),
    responses(
        (status = OK, description = "The cart after the change.", body = LegacyCart),
        (status = NOT_FOUND, description = "The product is not in the cart (`item_not_found`)."),
    )
)]
pub(crate) async fn remove_item(
    app: State<App>,
    _: SignedIn,
    product_id: Path<i32>,
) -> Result<Json<LegacyCart>, Problem> {
    let Json(cart) = cart::remove_item(app, users_cart(), product_id).await?;
    Ok(Json(cart.into()))
}
