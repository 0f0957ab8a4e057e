//! `/api/orders`.

pub(crate) mod refunds;
pub(crate) mod shipments;
pub(crate) mod types;

use axum::extract::State;
use bodega_proto::order::v1::{
    self as pb, CancelOrderRequest, ClaimOrderRequest, GetOrderRequest, ListOrdersRequest, PlaceOrderRequest,
    UpdateOrderStatusRequest,
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use self::types::{Order, OrderStatus, OrderStatusInput};
use crate::{
    api::checkout::input::PlaceOrderInput,
    app::App,
    extract::{
        AdminOrKey, Customer, IdempotencyKey, Json, Limit, OrderAccess, OrderToken, Path, Query, SignedIn,
    },
    json::Page,
    problem::Problem,
    response::{Created, present},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only orders with this status.
    #[param(inline)]
    status: Option<OrderStatus>,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filter.
    #[serde(default)]
    cursor: String,
}

/// Places an order from the caller's cart.
///
/// Users send an access token. Guests send the `X-Cart-Token` of their cart and a `contact`, and receive an `accessToken`, which
/// opens this order as `X-Order-Token`. Takes the ordered units from the stock and removes the ordered products from the cart.
/// Safe to retry: the same content of a cart gives at most one order, with or without an `Idempotency-Key`. A request with
/// another address, code or total gets `empty_cart`, not that order.
#[utoipa::path(
    post, path = "/api/orders", tag = "Orders", security(("bearer" = []), ("cartToken" = [])),
    request_body(content = ref("#/components/schemas/PlaceOrderInput"), content_type = "application/json",
        description = "Optional."),
    params(("idempotency-key" = Option<String>, Header, max_length = 255,
        description = "Chosen by the client for one order: a retry with the same key within 30 days returns the same \
            order, or within 7 days the same rejection. Keys are deleted after that.")),
    responses(
        (status = CREATED, description = "Order placed.", body = Order,
            headers(("location" = String, description = "Path of the new order."))),
        (status = UNAUTHORIZED, description = "The access token is missing or invalid, and there is no `X-Cart-Token` or no `contact`."),
        (status = NOT_FOUND, description = "No guest cart has this token (`cart_not_found`)."),
        (status = CONFLICT, description = "The cart is empty (`empty_cart`), a product has too little stock \
            (`out_of_stock`; `errors` names each line), the total differs from `expectedTotal` (`price_changed`; \
            `errors` names each line with a new price), a discount code does not work (`discount_rejected`; `errors` \
            has the reasons), the shipping method does not ship these products to this address \
            (`shipping_unavailable`), the account has too many pending orders (`too_many_pending_orders`), or the order \
            could not be completed (`order_withdrawn`)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`; \
            `errors` names it), the store requires more fields (`shipping_required`; `errors` names them), or the \
            `Idempotency-Key` was used for a different request (`idempotency_key_reused`)."),
        (status = TOO_MANY_REQUESTS),
    )
)]
pub(crate) async fn place(
    State(app): State<App>,
    customer: Customer,
    key: IdempotencyKey,
    input: Option<Json<PlaceOrderInput>>,
) -> Result<Created<Order>, Problem> {
    let order = place_order(&app, customer, key, input).await?;
    Ok(Created::at(format!("/api/orders/{}", order.id), order))
}

/// Lists the caller's orders.
///
/// Requires an access token. Newest orders first.
#[utoipa::path(
    get, path = "/api/orders", tag = "Orders", params(ListQuery), security(("bearer" = [])),
    responses((status = OK, description = "A page of the caller's orders.", body = Page<Order>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: SignedIn,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<Order>>, Problem> {
    let request = ListOrdersRequest {
        status: query.status.map_or(pb::OrderStatus::Unspecified, pb::OrderStatus::from).into(),
        limit: query.limit.get(),
        cursor: query.cursor,
    };
    let page = app.orders().list_orders(request).await?.into_inner();
    let items = page.orders.into_iter().map(Order::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// Returns an order.
///
/// Requires an access token, or the token of the order. Users see their own orders, admins every order.
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order.")),
    security(("bearer" = ["orders:read"]), ("orderToken" = [])),
    responses(
        (status = OK, description = "The order.", body = Order),
        (status = NOT_FOUND, description = "The order does not exist or belongs to another user, or the token of the order \
            is wrong (`order_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    OrderAccess { token }: OrderAccess,
    Path(id): Path<Uuid>,
) -> Result<Json<Order>, Problem> {
    Ok(Json(get_order(&app, id, token).await?))
}

/// Cancels an order.
///
/// Requires the access token of the user who placed the order, or of an admin, or the token of the order. The units return to the stock, and a
/// completed payment is refunded. Safe to retry: an order that is cancelled already is returned as it is.
#[utoipa::path(
    post, path = "/api/orders/{id}/cancel", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order.")),
    security(("bearer" = ["orders:write"]), ("orderToken" = [])),
    responses(
        (status = OK, description = "The cancelled order.", body = Order),
        (status = NOT_FOUND, description = "The order does not exist or belongs to another user, or the token of the order \
            is wrong (`order_not_found`)."),
        (status = CONFLICT,
            description = "The order is already shipped or completed, or a part of it was shipped (`invalid_transition`)."),
    )
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    OrderAccess { token: access_token }: OrderAccess,
    Path(id): Path<Uuid>,
) -> Result<Json<Order>, Problem> {
    let request = CancelOrderRequest { id: id.to_string(), access_token };
    let order = present(app.orders().cancel_order(request).await?.into_inner().order)?;
    forget_products(&app, &order);
    Ok(Json(order.try_into()?))
}

/// Moves a guest's order into the caller's account.
///
/// Requires an access token and the token of the order, which is void then. Safe to retry: an order that is in the account
/// already is returned as it is.
#[utoipa::path(
    post, path = "/api/orders/{id}/claim", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order."),
        ("x-order-token" = Option<String>, Header,
            description = "The `accessToken` of the order. Not needed once the order is in the account.")),
    security(("bearer" = [])),
    responses(
        (status = OK, description = "The order in the account.", body = Order),
        (status = NOT_FOUND, description = "The order does not exist or belongs to another user, or the token of the order \
            is wrong (`order_not_found`)."),
    )
)]
pub(crate) async fn claim(
    State(app): State<App>,
    _: SignedIn,
    OrderToken(access_token): OrderToken,
    Path(id): Path<Uuid>,
) -> Result<Json<Order>, Problem> {
    let request = ClaimOrderRequest { id: id.to_string(), access_token };
    let order = present(app.orders().claim_order(request).await?.into_inner().order)?;
    Ok(Json(order.try_into()?))
}

/// Changes the status of an order.
///
/// Requires an admin's access token. Allowed changes: `pending` to `confirmed`, `paid` or `cancelled`; `confirmed` to
/// `paid`, `shipped` or `cancelled`; `paid` to `shipped` or `cancelled`; `shipped` to `completed`. `shipped` records a shipment of
/// all units that are left.
#[utoipa::path(
    patch, path = "/api/orders/{id}", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order.")), request_body = OrderStatusInput,
    security(("bearer" = ["orders:write"])),
    responses(
        (status = OK, description = "The order after the change.", body = Order),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The order does not exist (`order_not_found`)."),
        (status = CONFLICT,
            description = "The status cannot follow the current status of the order (`invalid_transition`)."),
    )
)]
pub(crate) async fn change_status(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<Uuid>,
    Json(input): Json<OrderStatusInput>,
) -> Result<Json<Order>, Problem> {
    let request =
        UpdateOrderStatusRequest { id: id.to_string(), status: pb::OrderStatus::from(input.status).into() };
    let order = present(app.orders().update_order_status(request).await?.into_inner().order)?;
    if order.status() == pb::OrderStatus::Cancelled {
        forget_products(&app, &order);
    }
    Ok(Json(order.try_into()?))
}

pub(crate) async fn place_order(
    app: &App,
    Customer { guest_token }: Customer,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    input: Option<Json<PlaceOrderInput>>,
) -> Result<Order, Problem> {
    let input = input.map(|Json(input)| input).unwrap_or_default();
    // A client that does not know orders of guests lets its user sign in.
    if !guest_token.is_empty() && !input.has_contact() {
        return Err(Problem::contact_required());
    }
    let expected_total_minor = input.expected_total_minor(app)?;
    let form = input.into_form(app, !guest_token.is_empty()).await?;
    let request = PlaceOrderRequest { idempotency_key, expected_total_minor, form, guest_token };
    let response = app
        .orders()
        .place_order(request)
        .await
        .map_err(|status| Problem::from(status).renaming("idempotencyKey", "Idempotency-Key"))?;
    let pb::PlaceOrderResponse { order, product_versions, access_token } = response.into_inner();
    let order = present(order)?;
    if product_versions.is_empty() {
        forget_products(app, &order);
    }
    for product in product_versions {
        app.products().raise_floor(product.product_id, product.version);
    }
    Ok(Order::try_from(order)?.with_access_token(access_token))
}

/// Makes later requests to this gateway read the stock of an order's products after the order.
fn forget_products(app: &App, order: &pb::Order) {
    app.products().forget(order.items.iter().map(types::product_id));
}

/// Returns an order that the caller, or the bearer of its token, may see.
pub(crate) async fn get_order(app: &App, id: Uuid, access_token: String) -> Result<Order, Problem> {
    let request = GetOrderRequest { id: id.to_string(), access_token };
    let response = app.orders().get_order(request).await?.into_inner();
    present(response.order)?.try_into()
}
