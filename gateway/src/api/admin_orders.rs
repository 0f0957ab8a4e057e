//! Everybody's orders, for admins.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, ListAllOrdersRequest, ListAllOrdersResponse};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    app::App,
    extract::{Admin, Json, Limit, Query},
    json::{Order, OrderStatus, Page, Timestamp},
    problem::Problem,
};

/// Filters, joined by "and", and a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AllOrdersQuery {
    /// Only those that stand there.
    #[param(inline)]
    status: Option<OrderStatus>,
    /// Only this user's.
    user_id: Option<Uuid>,
    /// Placed at this time or later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Placed before this time.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<Timestamp>,
    /// Rows of a page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the page before, with the same filters.
    #[serde(default)]
    cursor: String,
}

/// Lists everybody's orders, newest first.
#[utoipa::path(
    get, path = "/api/admin/orders", tag = "Orders", params(AllOrdersQuery), security(("bearer" = [])),
    responses((status = OK, body = Page<Order>), (status = FORBIDDEN, body = Problem))
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(query): Query<AllOrdersQuery>,
) -> Result<Json<Page<Order>>, Problem> {
    let page = find(&app, query).await?;
    let items = page.orders.into_iter().map(Order::try_from).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// A page of everybody's orders.
pub(crate) async fn find(app: &App, query: AllOrdersQuery) -> Result<ListAllOrdersResponse, Problem> {
    let request = ListAllOrdersRequest {
        status: query.status.map_or(pb::OrderStatus::Unspecified, pb::OrderStatus::from).into(),
        user_id: query.user_id.map(|id| id.to_string()).unwrap_or_default(),
        from: query.from.map(Into::into),
        to: query.to.map(Into::into),
        limit: query.limit.get(),
        cursor: query.cursor,
    };
    Ok(app.orders().list_all_orders(request).await?.into_inner())
}
