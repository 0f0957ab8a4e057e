//! `/order` and `/orders`.

use axum::extract::State;
use http::{HeaderName, HeaderValue, Uri, header::LINK};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    api::{
        admin_orders::{AllOrdersQuery, list_all_orders},
        checkout::input::PlaceOrderInput,
        orders::{
            get_order, place_order,
            types::{Order, OrderLine, OrderStatus},
        },
    },
    app::App,
    extract::{AdminOrKey, Customer, IdempotencyKey, Json, Path, Query, SignedIn, UserOrKey},
    json::{Amount, Timestamp},
    link,
    problem::Problem,
    response::Created,
};

/// An order. Names and prices of the products are those at the time the order was placed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "orderId": "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911", "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10",
    "products": [{"productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2}],
    "totalPrice": 25.00, "status": "pending",
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z"
}))]
pub(crate) struct LegacyOrder {
    /// Id of the order, a UUIDv7.
    order_id: String,
    /// Id of the user who placed the order; empty for a guest's order.
    user_id: String,
    /// Ordered products.
    products: Vec<LegacyOrderLine>,
    /// Sum over the products, in major units of the currency.
    total_price: Amount,
    /// Status of the order.
    status: OrderStatus,
    /// When the order was placed.
    created_at: Timestamp,
    /// When the order last changed.
    updated_at: Timestamp,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LegacyOrderLine {
    /// Id of the product.
    product_id: i32,
    /// Name of the product when the order was placed.
    name: String,
    /// Unit price when the order was placed, in major units of the currency, for example 12.50.
    price: Amount,
    /// Number of units.
    quantity: i32,
}

impl From<Order> for LegacyOrder {
    fn from(order: Order) -> Self {
        let line = |line: OrderLine| LegacyOrderLine {
            product_id: line.product_id,
            name: line.name,
            price: line.price,
            quantity: line.quantity,
        };
        Self {
            order_id: order.id,
            user_id: order.user_id.unwrap_or_default(),
            products: order.products.into_iter().map(line).collect(),
            total_price: order.total_amount,
            status: order.status,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

/// Places an order from the caller's cart.
///
/// Requires an access token. Takes the ordered units from the stock and removes the ordered products from the cart.
/// Safe to retry: the same content of a cart gives at most one order, with or without an `Idempotency-Key`.
#[utoipa::path(
    post, path = "/order", tag = "Legacy", security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/PlaceOrderInput"), content_type = "application/json",
        description = "Optional."),
    params(("idempotency-key" = Option<String>, Header, max_length = 255,
        description = "Chosen by the client for one order: a retry with the same key within 30 days returns the same \
            order, or within 7 days the same rejection. Keys are deleted after that.")),
    responses(
        (status = CREATED, description = "Order placed.", body = LegacyOrder,
            headers(("location" = String, description = "Path of the new order."))),
        (status = CONFLICT, description = "The cart is empty (`empty_cart`), a product has too little stock \
            (`out_of_stock`; `errors` names each line), the total differs from `expectedTotal` (`price_changed`; \
            `errors` names each line with a new price), a discount code does not work (`discount_rejected`), the \
            shipping method does not ship these products to this address (`shipping_unavailable`), or the order could \
            not be completed (`order_withdrawn`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`; \
            `errors` names it), the store requires more fields (`shipping_required`; `errors` names them), or the \
            `Idempotency-Key` was used for a different request (`idempotency_key_reused`)."),
        (status = TOO_MANY_REQUESTS),
    )
)]
pub(crate) async fn place(
    State(app): State<App>,
    _: SignedIn,
    key: IdempotencyKey,
    input: Option<Json<PlaceOrderInput>>,
) -> Result<Created<LegacyOrder>, Problem> {
    let user = Customer { guest_token: String::new() };
    let order = place_order(&app, user, key, input).await?;
    Ok(Created::at(format!("/order/{}", order.id), order.into()))
}

/// Returns an order.
///
/// Requires an access token. Users see their own orders, admins every order.
#[utoipa::path(
    get, path = "/order/{id}", tag = "Legacy",
    params(("id" = Uuid, Path, description = "Id of the order.")), security(("bearer" = ["orders:read"])),
    responses(
        (status = OK, description = "The order.", body = LegacyOrder),
        (status = NOT_FOUND, description = "The order does not exist or belongs to another user (`order_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: UserOrKey,
    Path(id): Path<Uuid>,
) -> Result<Json<LegacyOrder>, Problem> {
    Ok(Json(get_order(&app, id, String::new()).await?.into()))
}

/// Lists the orders of all users.
///
/// Requires an admin's access token. Newest orders first. Filters are combined with "and".
#[utoipa::path(
    get, path = "/orders", tag = "Legacy", params(AllOrdersQuery), security(("bearer" = ["orders:read"])),
    responses(
        (status = OK, description = "A page of orders.", body = Vec<LegacyOrder>, headers(
            ("link" = String, description = "URL of the next page, with `rel=\"next\"`. Absent on the last page."),
        )),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: AdminOrKey,
    uri: Uri,
    Query(query): Query<AllOrdersQuery>,
) -> Result<(Option<[(HeaderName, HeaderValue); 1]>, Json<Vec<LegacyOrder>>), Problem> {
    let page = list_all_orders(&app, query).await?;
    let next = link::next(&uri, &page.next_cursor);
    Ok((next.map(|next| [(LINK, next)]), Json(page.items.into_iter().map(LegacyOrder::from).collect())))
}
