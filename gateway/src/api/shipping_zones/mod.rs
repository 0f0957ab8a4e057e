//! `/api/shipping-zones`.

mod types;

use axum::extract::State;
use bodega_proto::order::v1::{
    CreateShippingZoneRequest, DeleteShippingZoneRequest, GetShippingZoneRequest, ListShippingZonesRequest,
    ReplaceShippingZoneRequest,
};
use http::StatusCode;

use self::types::{ShippingZone, ShippingZoneInput, ShippingZoneList};
use crate::{
    app::App,
    extract::{AdminOrKey, Json, Path},
    problem::Problem,
    response::{Created, present},
};

/// Lists the shipping zones.
///
/// Requires an admin's access token.
#[utoipa::path(
    get, path = "/api/shipping-zones", tag = "Settings", security(("bearer" = ["settings:write"])),
    responses((status = OK, description = "All shipping zones.", body = ShippingZoneList), (status = FORBIDDEN))
)]
pub(crate) async fn list(State(app): State<App>, _: AdminOrKey) -> Result<Json<ShippingZoneList>, Problem> {
    let response = app.store_settings().list_shipping_zones(ListShippingZonesRequest {}).await?.into_inner();
    let zones = response.zones.into_iter().map(|zone| ShippingZone::new(zone, app.currency()));
    Ok(Json(ShippingZoneList { items: zones.collect::<Result<_, _>>()? }))
}

/// Returns a shipping zone.
///
/// Requires an admin's access token.
#[utoipa::path(
    get, path = "/api/shipping-zones/{id}", tag = "Settings",
    params(("id" = i32, Path, description = "Id of the shipping zone.")),
    security(("bearer" = ["settings:write"])),
    responses(
        (status = OK, description = "The shipping zone.", body = ShippingZone),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The shipping zone does not exist (`shipping_zone_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
) -> Result<Json<ShippingZone>, Problem> {
    let response = app.store_settings().get_shipping_zone(GetShippingZoneRequest { id }).await?.into_inner();
    Ok(Json(ShippingZone::new(present(response.zone)?, app.currency())?))
}

/// Creates a shipping zone.
///
/// Requires an admin's access token.
#[utoipa::path(
    post, path = "/api/shipping-zones", tag = "Settings", request_body = ShippingZoneInput,
    security(("bearer" = ["settings:write"])),
    responses(
        (status = CREATED, description = "Shipping zone created.", body = ShippingZone,
            headers(("location" = String, description = "Path of the new shipping zone."))),
        (status = FORBIDDEN),
        (status = CONFLICT, description = "Another zone has one of the places (`shipping_place_taken`), or there are 100 \
            zones (`too_many_shipping_zones`)."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: AdminOrKey,
    Json(input): Json<ShippingZoneInput>,
) -> Result<Created<ShippingZone>, Problem> {
    let request = CreateShippingZoneRequest { zone: Some(input.into_proto(app.currency())?) };
    let response = app.store_settings().create_shipping_zone(request).await?.into_inner();
    let zone = ShippingZone::new(present(response.zone)?, app.currency())?;
    Ok(Created::at(format!("/api/shipping-zones/{}", zone.id), zone))
}

/// Replaces a shipping zone.
///
/// Requires an admin's access token. Methods that the zone has no longer are deleted; orders keep the titles of theirs.
#[utoipa::path(
    put, path = "/api/shipping-zones/{id}", tag = "Settings", request_body = ShippingZoneInput,
    params(("id" = i32, Path, description = "Id of the shipping zone.")),
    security(("bearer" = ["settings:write"])),
    responses(
        (status = OK, description = "The shipping zone after the change.", body = ShippingZone),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The shipping zone does not exist (`shipping_zone_not_found`)."),
        (status = CONFLICT, description = "Another zone has one of the places (`shipping_place_taken`)."),
    )
)]
pub(crate) async fn replace(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    Json(input): Json<ShippingZoneInput>,
) -> Result<Json<ShippingZone>, Problem> {
    let request = ReplaceShippingZoneRequest { id, zone: Some(input.into_proto(app.currency())?) };
    let response = app.store_settings().replace_shipping_zone(request).await?.into_inner();
    Ok(Json(ShippingZone::new(present(response.zone)?, app.currency())?))
}

/// Deletes a shipping zone.
///
/// Requires an admin's access token. Its methods are deleted too; orders keep the titles of theirs.
#[utoipa::path(
    delete, path = "/api/shipping-zones/{id}", tag = "Settings",
    params(("id" = i32, Path, description = "Id of the shipping zone.")),
    security(("bearer" = ["settings:write"])),
    responses(
        (status = NO_CONTENT, description = "Shipping zone deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The shipping zone does not exist (`shipping_zone_not_found`)."),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<i32>,
) -> Result<StatusCode, Problem> {
    app.store_settings().delete_shipping_zone(DeleteShippingZoneRequest { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
