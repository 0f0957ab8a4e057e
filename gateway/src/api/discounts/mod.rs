//! `/api/discounts`.

mod types;

use axum::extract::State;
use bodega_proto::order::v1::{
    CreateDiscountRequest, DeleteDiscountRequest, GetDiscountRequest, ListDiscountsRequest,
    ReplaceDiscountRequest,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use self::types::{Discount, DiscountInput};
use crate::{
    app::App,
    extract::{AdminOrKey, Json, Limit, Path, Query},
    json::Page,
    problem::Problem,
    response::{Created, present},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiscountsQuery {
    /// Only the discount with this code, in any case.
    #[serde(default)]
    #[param(value_type = Option<String>, max_length = 64)]
    code: String,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filter.
    #[serde(default)]
    cursor: String,
}

/// Names rejected fields as in requests.
fn rename_fields(problem: Problem) -> Problem {
    problem.renaming("ratePpm", "percentOff").renaming("amount", "amountOff")
}

/// Lists discounts.
///
/// Requires an admin's access token. Newest discounts first.
#[utoipa::path(
    get, path = "/api/discounts", tag = "Settings", params(DiscountsQuery),
    security(("bearer" = ["settings:write"])),
    responses((status = OK, description = "A page of discounts.", body = Page<Discount>), (status = FORBIDDEN))
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: AdminOrKey,
    Query(DiscountsQuery { code, limit, cursor }): Query<DiscountsQuery>,
) -> Result<Json<Page<Discount>>, Problem> {
    let request = ListDiscountsRequest { code, limit: limit.get(), cursor };
    let page = app.store_settings().list_discounts(request).await;
    let page = page.map_err(|error| Problem::from(error).of_query())?.into_inner();
    let discounts = page.discounts.into_iter().map(|discount| Discount::new(discount, app.currency()));
    Ok(Json(Page { items: discounts.collect::<Result<_, _>>()?, next_cursor: page.next_cursor }))
}

/// Returns a discount.
///
/// Requires an admin's access token.
#[utoipa::path(
    get, path = "/api/discounts/{id}", tag = "Settings",
    params(("id" = i64, Path, description = "Id of the discount.")), security(("bearer" = ["settings:write"])),
    responses(
        (status = OK, description = "The discount.", body = Discount),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The discount does not exist (`discount_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i64>,
) -> Result<Json<Discount>, Problem> {
    let response = app.store_settings().get_discount(GetDiscountRequest { id }).await?.into_inner();
    Ok(Json(Discount::new(present(response.discount)?, app.currency())?))
}

/// Creates a discount.
///
/// Requires an admin's access token.
#[utoipa::path(
    post, path = "/api/discounts", tag = "Settings", request_body = DiscountInput,
    security(("bearer" = ["settings:write"])),
    responses(
        (status = CREATED, description = "Discount created.", body = Discount,
            headers(("location" = String, description = "Path of the new discount."))),
        (status = FORBIDDEN),
        (status = CONFLICT, description = "Another discount has this code (`discount_code_exists`), or there are 100 \
            discounts without a code (`too_many_discounts`)."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: AdminOrKey,
    Json(input): Json<DiscountInput>,
) -> Result<Created<Discount>, Problem> {
    let request = CreateDiscountRequest { discount: Some(input.into_proto(app.currency())?) };
    let response = app.store_settings().create_discount(request).await;
    let response = response.map_err(|error| rename_fields(error.into()))?.into_inner();
    let discount = Discount::new(present(response.discount)?, app.currency())?;
    Ok(Created::at(format!("/api/discounts/{}", discount.id), discount))
}

/// Replaces a discount.
///
/// Requires an admin's access token. Its uses remain. Orders that are placed keep their discounts.
#[utoipa::path(
    put, path = "/api/discounts/{id}", tag = "Settings", request_body = DiscountInput,
    params(("id" = i64, Path, description = "Id of the discount.")), security(("bearer" = ["settings:write"])),
    responses(
        (status = OK, description = "The discount after the change.", body = Discount),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The discount does not exist (`discount_not_found`)."),
        (status = CONFLICT, description = "Another discount has this code (`discount_code_exists`), or there are 100 \
            discounts without a code (`too_many_discounts`)."),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i64>,
    Json(input): Json<DiscountInput>,
) -> Result<Json<Discount>, Problem> {
    let request = ReplaceDiscountRequest { id, discount: Some(input.into_proto(app.currency())?) };
    let response = app.store_settings().replace_discount(request).await;
    let response = response.map_err(|error| rename_fields(error.into()))?.into_inner();
    Ok(Json(Discount::new(present(response.discount)?, app.currency())?))
}

/// Deletes a discount.
///
/// Requires an admin's access token. Orders that are placed keep it; another discount may have its code.
#[utoipa::path(
    delete, path = "/api/discounts/{id}", tag = "Settings",
    params(("id" = i64, Path, description = "Id of the discount.")), security(("bearer" = ["settings:write"])),
    responses(
        (status = NO_CONTENT, description = "Discount deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The discount does not exist (`discount_not_found`)."),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    app.store_settings().delete_discount(DeleteDiscountRequest { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
