//! Conversions of refunds and shipments.

use bodega_proto::order::v1 as pb;
use bodega_runtime::timestamp;
use uuid::Uuid;

use crate::{
    orders::{
        db::{Refund, RefundLine, Shipment, ShipmentLine},
        shipments::ShipmentRequest,
    },
    payments::refunds::{RefundRequest, RefundStatus, RequestedLine},
};

impl From<RefundStatus> for pb::RefundStatus {
    fn from(status: RefundStatus) -> Self {
        match status {
            RefundStatus::Pending => Self::Pending,
            RefundStatus::Succeeded => Self::Succeeded,
            RefundStatus::Failed => Self::Failed,
        }
    }
}

impl From<Refund> for pb::Refund {
    fn from(refund: Refund) -> Self {
        Self {
            id: refund.id.to_string(),
            status: pb::RefundStatus::from(refund.status).into(),
            amount_minor: refund.amount_minor,
            tax_minor: refund.tax_minor,
            shipping_minor: refund.shipping_minor,
            lines: refund.lines.unwrap_or_default().into_iter().map(Into::into).collect(),
            restock: refund.restock,
            reason: refund.reason.unwrap_or_default(),
            failure: refund.failure.unwrap_or_default(),
            external: refund.is_external,
            provider_refund_id: refund.provider_refund_id.unwrap_or_default(),
            created_at: Some(timestamp::to_proto(refund.created_at)),
            redacted: false,
        }
    }
}

/// Returns the refund without what is for admins: their reason, and messages and ids of the payment provider.
pub(super) fn redacted(refund: Refund) -> pb::Refund {
    let refund = Refund { reason: None, failure: None, provider_refund_id: None, ..refund };
    pb::Refund { redacted: true, ..refund.into() }
}

impl From<RefundLine> for pb::RefundLine {
    fn from(line: RefundLine) -> Self {
        let RefundLine { product_id: variant_id, quantity, amount_minor, tax_minor } = line;
        Self { variant_id, quantity, amount_minor, tax_minor }
    }
}

impl From<Shipment> for pb::Shipment {
    fn from(shipment: Shipment) -> Self {
        Self {
            id: shipment.id.to_string(),
            lines: shipment.lines.into_iter().map(Into::into).collect(),
            carrier: shipment.carrier.unwrap_or_default(),
            tracking_number: shipment.tracking_number.unwrap_or_default(),
            tracking_url: shipment.tracking_url.unwrap_or_default(),
            created_at: Some(timestamp::to_proto(shipment.created_at)),
        }
    }
}

impl From<ShipmentLine> for pb::ShipmentLine {
    fn from(line: ShipmentLine) -> Self {
        Self { variant_id: line.product_id, quantity: line.quantity }
    }
}

/// Returns the refund in a request, without its idempotency key.
pub(super) fn refund_request(order_id: Uuid, request: pb::CreateRefundRequest) -> RefundRequest {
    let lines = request.lines.into_iter().map(|line| RequestedLine {
        product_id: line.variant_id,
        quantity: line.quantity,
        unshipped_quantity: line.unshipped_quantity,
    });
    RefundRequest {
        order_id,
        lines: lines.collect(),
        shipping: request.shipping,
        amount_minor: request.amount_minor,
        restock: request.restock,
        reason: optional_text(request.reason),
    }
}

/// Returns the shipment in a request, without its idempotency key.
pub(super) fn shipment_request(order_id: Uuid, request: pb::CreateShipmentRequest) -> ShipmentRequest {
    ShipmentRequest {
        order_id,
        lines: request.lines.into_iter().map(|line| (line.variant_id, line.quantity)).collect(),
        carrier: optional_text(request.carrier),
        tracking_number: optional_text(request.tracking_number),
        tracking_url: optional_text(request.tracking_url),
    }
}

fn optional_text(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
