//! `/api/admin/orders`.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, DeleteOrderContactRequest, ListAllOrdersRequest};
use http::StatusCode;
use serde::{Deserialize, Deserializer, de::Error as _};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    api::orders::types::{Order, OrderStatus},
    app::App,
    extract::{Admin, AdminOrKey, Json, Limit, Path, Query},
    json::{Page, Timestamp},
    problem::Problem,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AllOrdersQuery {
    /// Only orders with this status.
    #[param(inline)]
    status: Option<OrderStatus>,
    /// Only orders of the user with this id.
    user_id: Option<Uuid>,
    /// Only the order with this number.
    #[param(value_type = Option<i64>, minimum = 1, example = 1001)]
    number: Option<OrderNumber>,
    /// Only orders placed at this time or later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Only orders placed before this time.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<Timestamp>,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filters.
    #[serde(default)]
    cursor: String,
}

/// The number of an order, from 1.
#[derive(Debug)]
struct OrderNumber(i64);

impl<'de> Deserialize<'de> for OrderNumber {
    /// Reads a text, since an empty number would be none, and would list all orders.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.parse() {
            Ok(number @ 1..) => Ok(Self(number)),
            _ => Err(D::Error::custom("must be a number from 1")),
        }
    }
}

/// Lists the orders of all users.
///
/// Requires an admin's access token. Newest orders first. Filters are combined with "and".
#[utoipa::path(
    get, path = "/api/admin/orders", tag = "Orders", params(AllOrdersQuery), security(("bearer" = ["orders:read"])),
    responses(
        (status = OK, description = "A page of orders.", body = Page<Order>),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: AdminOrKey,
    Query(query): Query<AllOrdersQuery>,
) -> Result<Json<Page<Order>>, Problem> {
    Ok(Json(list_all_orders(&app, query).await?))
}

/// Deletes the personal data of an order.
///
/// Requires an admin's access token. Contact, addresses and note are deleted; products, amounts and number remain. It is how the
/// personal data of a guest is erased; that of a user is erased with the account.
#[utoipa::path(
    delete, path = "/api/admin/orders/{id}/contact", tag = "Orders",
    params(("id" = Uuid, Path, description = "Id of the order.")), security(("bearer" = [])),
    responses(
        (status = NO_CONTENT, description = "Personal data deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The order does not exist (`order_not_found`)."),
    )
)]
pub(crate) async fn delete_contact(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    app.orders().delete_order_contact(DeleteOrderContactRequest { id: id.to_string() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn list_all_orders(app: &App, query: AllOrdersQuery) -> Result<Page<Order>, Problem> {
    let request = ListAllOrdersRequest {
        status: query.status.map_or(pb::OrderStatus::Unspecified, pb::OrderStatus::from).into(),
        user_id: query.user_id.map(|id| id.to_string()).unwrap_or_default(),
        from: query.from.map(Into::into),
        to: query.to.map(Into::into),
        number: query.number.map(|OrderNumber(number)| number),
        limit: query.limit.get(),
        cursor: query.cursor,
    };
    let page = app.orders().list_all_orders(request).await?.into_inner();
    let items = page.orders.into_iter().map(Order::try_from).collect::<Result<_, _>>()?;
    Ok(Page { items, next_cursor: page.next_cursor })
}
