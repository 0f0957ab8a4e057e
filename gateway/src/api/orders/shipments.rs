//! `/api/orders/{id}/shipments`.

use axum::extract::State;
use bodega_proto::order::v1::{self as pb, CreateShipmentRequest};
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    extract::{AdminOrKey, IdempotencyKey, Json, Path},
    json::{Object, Timestamp, non_empty},
    problem::Problem,
    response::{Created, present},
};

/// A parcel of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-bfd8-7c12-9d43-52b8f6a0c955", "lines": [{"variantId": 7, "quantity": 1}], "carrier": "DHL",
    "trackingNumber": "00340434161094042557", "trackingUrl": null, "createdAt": "2026-11-22T09:30:00.123456Z"
}))]
pub(crate) struct Shipment {
    /// Id of the shipment, a UUIDv7.
    id: String,
    /// Units in the parcel.
    lines: Vec<ShipmentLine>,
    /// Name of the carrier, or null.
    #[schema(required)]
    carrier: Option<String>,
    /// Tracking number, or null.
    #[schema(required)]
    tracking_number: Option<String>,
    /// Page on which the customer can follow the parcel, or null.
    #[schema(required)]
    tracking_url: Option<String>,
    /// When the shipment was recorded.
    created_at: Timestamp,
}

/// Units of a line of an order in a parcel.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ShipmentLine {
    /// Id of the variant: that of the product if the product has one variant.
    #[serde(alias = "productId")]
    variant_id: i32,
    /// Number of units.
    quantity: i32,
}

impl From<pb::Shipment> for Shipment {
    fn from(shipment: pb::Shipment) -> Self {
        let line =
            |line: pb::ShipmentLine| ShipmentLine { variant_id: line.variant_id, quantity: line.quantity };
        Self {
            id: shipment.id,
            lines: shipment.lines.into_iter().map(line).collect(),
            carrier: non_empty(shipment.carrier),
            tracking_number: non_empty(shipment.tracking_number),
            tracking_url: non_empty(shipment.tracking_url),
            created_at: shipment.created_at.into(),
        }
    }
}

/// A parcel that was sent.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "lines": [{"variantId": 7, "quantity": 1}], "carrier": "DHL", "trackingNumber": "00340434161094042557"
}))]
pub(crate) struct ShipmentInput {
    /// Units in the parcel, at most 200 lines; without any, all units that are left.
    #[serde(default)]
    #[schema(value_type = Vec<ShipmentLine>, max_items = 200)]
    lines: Vec<Object<ShipmentLine>>,
    /// Name of the carrier, at most 100 characters.
    #[serde(default)]
    carrier: Option<String>,
    /// Tracking number, at most 100 characters.
    #[serde(default)]
    tracking_number: Option<String>,
    /// URL on which the customer can follow the parcel, at most 500 bytes.
    #[serde(default)]
    tracking_url: Option<String>,
}

/// Records that units of an order were shipped.
///
/// Requires an admin's access token. The customer is notified by mail. The order becomes `shipped` once no units are left:
/// all were shipped, or refunded before. A retry without an `Idempotency-Key` ships again what is left.
#[utoipa::path(
    post, path = "/api/orders/{id}/shipments", tag = "Orders", request_body = ShipmentInput,
    params(
        ("id" = Uuid, Path, description = "Id of the order."),
        ("idempotency-key" = Option<String>, Header, max_length = 255,
            description = "Chosen by the client for one shipment: a retry with the same key returns the same shipment."),
    ),
    security(("bearer" = ["orders:write"])),
    responses(
        (status = CREATED, description = "Shipment recorded.", body = Shipment,
            headers(("location" = String, description = "Path of the order."))),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The order does not exist (`order_not_found`)."),
        (status = CONFLICT, description = "The order is neither confirmed nor paid (`invalid_transition`), no units are \
            left to ship (`nothing_to_ship`), or fewer than in the parcel (`shipment_exceeds_order`; `errors` names each \
            line)."),
        (status = UNPROCESSABLE_ENTITY, description = "A field is missing, unknown or invalid (`invalid_field`; `errors` \
            names it), or the `Idempotency-Key` was used for a different request (`idempotency_key_reused`)."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    _: AdminOrKey,
    Path(id): Path<Uuid>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    Json(input): Json<ShipmentInput>,
) -> Result<Created<Shipment>, Problem> {
    let ShipmentInput { lines, carrier, tracking_number, tracking_url } = input;
    let lines = lines
        .into_iter()
        .map(|Object(line)| pb::ShipmentLine { variant_id: line.variant_id, quantity: line.quantity });
    let request = CreateShipmentRequest {
        order_id: id.to_string(),
        idempotency_key,
        lines: lines.collect(),
        carrier: carrier.unwrap_or_default(),
        tracking_number: tracking_number.unwrap_or_default(),
        tracking_url: tracking_url.unwrap_or_default(),
    };
    let rejected = |status: Status| Problem::from(status).renaming("idempotencyKey", "Idempotency-Key");
    let response = app.orders().create_shipment(request).await.map_err(rejected)?.into_inner();
    Ok(Created::at(format!("/api/orders/{id}"), present(response.shipment)?.into()))
}
