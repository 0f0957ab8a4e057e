//! Orders.

use axum::extract::State;
use http::{HeaderName, HeaderValue, Uri, header::LINK};
use uuid::Uuid;

use super::types::ClassicOrder;
use crate::{
    answer::Created,
    api::{
        admin_orders::{self, AllOrdersQuery},
        orders,
    },
    app::App,
    extract::{Admin, IdempotencyKey, Json, Path, Query, SignedIn},
    json::OrderInput,
    link,
    problem::Problem,
};

/// Places an order from the caller's cart. Safe to repeat: one state of a cart gives one order.
#[utoipa::path(
    post, path = "/order", tag = "Classic", security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/OrderInput"), content_type = "application/json",
        description = "May be left out."),
    params(("idempotency-key" = Option<String>, Header, max_length = 255,
        description = "The same key gives the same order; with another body it is a 422.")),
    responses(
        (status = CREATED, body = ClassicOrder, headers(("location" = String))),
        (status = CONFLICT, body = Problem),
    )
)]
pub(crate) async fn place(
    State(app): State<App>,
    _: SignedIn,
    key: IdempotencyKey,
    input: Option<Json<OrderInput>>,
) -> Result<Created<ClassicOrder>, Problem> {
    let order = orders::submit(&app, key, input).await?;
    Ok(Created::at(format!("/order/{}", order.id), order.try_into()?))
}

/// Shows an order of the caller's; to admins, anybody's.
#[utoipa::path(
    get, path = "/order/{id}", tag = "Classic", params(("id" = Uuid, Path)), security(("bearer" = [])),
    responses((status = OK, body = ClassicOrder), (status = NOT_FOUND, body = Problem))
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: SignedIn,
    Path(id): Path<Uuid>,
) -> Result<Json<ClassicOrder>, Problem> {
    Ok(Json(orders::find(&app, id).await?.try_into()?))
}

/// Lists everybody's orders, newest first.
#[utoipa::path(
    get, path = "/orders", tag = "Classic", params(AllOrdersQuery), security(("bearer" = [])),
    responses(
        (status = OK, body = Vec<ClassicOrder>, headers(
            ("link" = String, description = "The next page, as `rel=\"next\"`; absent on the last."),
        )),
        (status = FORBIDDEN, body = Problem),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Admin,
    uri: Uri,
    Query(query): Query<AllOrdersQuery>,
) -> Result<(Option<[(HeaderName, HeaderValue); 1]>, Json<Vec<ClassicOrder>>), Problem> {
    let page = admin_orders::find(&app, query).await?;
    let orders = page.orders.into_iter().map(ClassicOrder::try_from).collect::<Result<_, _>>()?;
    let next = link::next(&uri, &page.next_cursor);
    Ok((next.map(|next| [(LINK, next)]), Json(orders)))
}
