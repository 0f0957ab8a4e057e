//! Calls that refund and ship parts of orders.

use bodega_proto::order::v1::{
    CreateRefundRequest, CreateShipmentRequest, Order, Refund, ReturnedLine, Shipment,
};
use tonic::Status;
use uuid::Uuid;

use crate::test_app::{TestApp, until_available, with_long_deadline};

impl TestApp {
    /// Refunds a part of an order as an admin, with an idempotency key.
    pub(crate) async fn refund(&self, request: CreateRefundRequest) -> Result<Refund, Status> {
        let admin = self.admin();
        let refund = async || admin.clone().create_refund(request.clone()).await;
        Ok(until_available(refund).await?.into_inner().refund.unwrap())
    }

    /// Ships a part of an order as an admin.
    pub(crate) async fn ship(&self, request: CreateShipmentRequest) -> Result<Shipment, Status> {
        let result = with_long_deadline(self.admin().create_shipment(request)).await?;
        Ok(result.into_inner().shipment.unwrap())
    }
}

/// Returns a request that refunds returned units, with an idempotency key of its own.
pub(crate) fn returning(order: &Order, lines: &[(i32, i32)]) -> CreateRefundRequest {
    let line = |(variant_id, quantity): &(i32, i32)| ReturnedLine {
        variant_id: *variant_id,
        quantity: *quantity,
        unshipped_quantity: None,
    };
    CreateRefundRequest {
        order_id: order.id.clone(),
        idempotency_key: Uuid::now_v7().to_string(),
        lines: lines.iter().map(line).collect(),
        ..Default::default()
    }
}

/// Returns a request that refunds an amount, with an idempotency key of its own.
pub(crate) fn refunding(order: &Order, amount_minor: i64) -> CreateRefundRequest {
    CreateRefundRequest { amount_minor: Some(amount_minor), ..returning(order, &[]) }
}
