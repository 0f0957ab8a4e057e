//! Orders, for those who place them.

pub(crate) mod types;

use axum::extract::State;
use bodega_proto::order::v1::{
    self as pb, CancelOrderRequest, CreatePaymentIntentRequest, GetOrderRequest, ListOrdersRequest,
    PlaceOrderRequest, UpdateOrderStatusRequest,
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    answer::{Created, present},
    app::App,
    extract::{Admin, IdempotencyKey, Json, Limit, Path, Query, SignedIn},
    json::{MoveInput, Order, OrderInput, OrderStatus, Page, PaymentIntent},
    problem::Problem,
};

/// Pages of the caller's orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only those that stand there.
    #[param(inline)]
    status: Option<OrderStatus>,
    /// Rows of a page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the page before, with the same filter.
    #[serde(default)]
    cursor: String,
}

/// Places an order from the caller's cart. Safe to repeat: one state of a cart gives one order.
#[utoipa::path(
    post, path = "/api/orders", tag = "Orders", security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/OrderInput"), content_type = "application/json",
        description = "May be left out."),
    params(("idempotency-key" = Option<String>, Header, max_length = 255,
        description = "The same key gives the same order; with another body it is a 422.")),
    responses(
        (status = CREATED, body = Order, headers(("location" = String))), (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn place(
    State(app): State<App>,
    _: SignedIn,
    key: IdempotencyKey,
    input: Option<Json<OrderInput>>,
) -> Result<Created<Order>, Problem> {
    let order = submit(&app, key, input).await?;
    Ok(Created::at(format!("/api/orders/{}", order.id), order.try_into()?))
}

/// Lists the caller's orders, newest first.
#[utoipa::path(
    get, path = "/api/orders", tag = "Orders", params(ListQuery), security(("bearer" = [])),
    responses((status = OK, body = Page<Order>))
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
    let answer = app.orders().list_orders(request).await?.into_inner();
    let items = answer.orders.into_iter().map(Order::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next_cursor: answer.next_cursor }))
}

/// Shows an order of the caller's; to admins, anybody's.
#[utoipa::path(
    get, path = "/api/orders/{id}", tag = "Orders", params(("id" = Uuid, Path)), security(("bearer" = [])),
    responses((status = OK, body = Order), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<Json<Order>, Problem> {
    Ok(Json(find(&app, id).await?.try_into()?))
}

/// Cancels an order; its stock comes back, and what was paid is refunded.
#[utoipa::path(
    post, path = "/api/orders/{id}/cancel", tag = "Orders", params(("id" = Uuid, Path)),
    security(("bearer" = [])),
    responses(
        (status = OK, body = Order), (status = NOT_FOUND, body = Problem),
        (status = CONFLICT, body = Problem, description = "It is past that."),
    )
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<Json<Order>, Problem> {
    let answer = app.orders().cancel_order(CancelOrderRequest { id: id.to_string() }).await?.into_inner();
    Ok(Json(present(answer.order)?.try_into()?))
}

/// Begins the payment of an order of the caller's, or gives back the one that is under way.
#[utoipa::path(
    post, path = "/api/orders/{id}/payment", tag = "Orders", params(("id" = Uuid, Path)),
    security(("bearer" = [])),
    responses(
        (status = OK, body = PaymentIntent), (status = NOT_FOUND, body = Problem),
        (status = CONFLICT, body = Problem, description = "It is paid already, or there is nothing to pay."),
    )
)]
pub(crate) async fn pay(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<Json<PaymentIntent>, Problem> {
    let answer = app
        .orders()
        .create_payment_intent(CreatePaymentIntentRequest { id: id.to_string() })
        .await?
        .into_inner();
    Ok(Json(present(answer.intent)?.try_into()?))
}

/// Moves an order along its states.
#[utoipa::path(
    patch, path = "/api/orders/{id}", tag = "Orders", params(("id" = Uuid, Path)), request_body = MoveInput,
    security(("bearer" = [])),
    responses(
        (status = OK, body = Order), (status = FORBIDDEN, body = Problem), (status = NOT_FOUND, body = Problem),
        (status = CONFLICT, body = Problem, description = "It cannot go there from where it stands."),
    )
)]
pub(crate) async fn advance(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
    Json(input): Json<MoveInput>,
) -> Result<Json<Order>, Problem> {
    let request =
        UpdateOrderStatusRequest { id: id.to_string(), status: pb::OrderStatus::from(input.status).into() };
    let answer = app.orders().update_order_status(request).await?.into_inner();
    Ok(Json(present(answer.order)?.try_into()?))
}

/// Places an order; without a body, whatever it comes to.
pub(crate) async fn submit(
    app: &App,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    input: Option<Json<OrderInput>>,
) -> Result<pb::Order, Problem> {
    let expected = input.and_then(|Json(input)| input.expected_total);
    let expected = expected.map(|total| total.minor(app.currency(), "expectedTotal")).transpose()?;
    let request = PlaceOrderRequest { idempotency_key, expected_total_minor: expected };
    let answer = app.orders().place_order(request).await;
    let answer =
        answer.map_err(|refused| Problem::from(refused).renaming("idempotencyKey", "Idempotency-Key"))?;
    present(answer.into_inner().order)
}

/// An order that the caller may see.
pub(crate) async fn find(app: &App, id: Uuid) -> Result<pb::Order, Problem> {
    present(app.orders().get_order(GetOrderRequest { id: id.to_string() }).await?.into_inner().order)
}
