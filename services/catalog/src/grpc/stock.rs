//! The stock service, for other services only: the auth layer requires the service token.

use bodega_proto::catalog::v1::{
    self as pb, InsufficientStock, ReleaseRequest, ReleaseResponse, ReserveRequest, ReserveResponse,
    Reserved, ReturnUnitsRequest, ReturnUnitsResponse, stock_service_server::StockService,
};
use bodega_runtime::status;
use tonic::{Request, Response, Status};

use crate::{
    error::Error,
    reservations::{self, InsufficientStockLine, Outcome, Reservations, ReservedLine},
};

pub(crate) struct StockApi(pub(crate) Reservations);

#[tonic::async_trait]
impl StockService for StockApi {
    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<ReserveResponse>, Status> {
        let ReserveRequest { order_id, lines } = request.into_inner();
        let order_id = status::parse_uuid("order_id", &order_id)?;
        let quantities = reservations::parse_lines(&lines).map_err(Error::from)?;
        let outcome = self.0.reserve(order_id, quantities).await?;
        Ok(Response::new(ReserveResponse { outcome: Some(outcome.into()) }))
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Result<Response<ReleaseResponse>, Status> {
        let order_id = status::parse_uuid("order_id", &request.get_ref().order_id)?;
        self.0.release(order_id).await?;
        Ok(Response::new(ReleaseResponse {}))
    }

    async fn return_units(
        &self,
        request: Request<ReturnUnitsRequest>,
    ) -> Result<Response<ReturnUnitsResponse>, Status> {
        let ReturnUnitsRequest { return_id, order_id, lines, restock } = request.into_inner();
        let return_id = status::parse_uuid("return_id", &return_id)?;
        let order_id = status::parse_uuid("order_id", &order_id)?;
        let quantities = reservations::parse_lines(&lines).map_err(Error::from)?;
        self.0.return_units(return_id, order_id, &quantities, restock).await?;
        Ok(Response::new(ReturnUnitsResponse {}))
    }
}

impl From<Outcome> for pb::reserve_response::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reserved(lines) => Self::Reserved(Reserved {
                currency: lines.first().map(|line| line.currency.clone()).unwrap_or_default(),
                lines: lines.into_iter().map(Into::into).collect(),
            }),
            Outcome::InsufficientStock(lines) => Self::InsufficientStock(InsufficientStock {
                lines: lines.into_iter().map(Into::into).collect(),
            }),
        }
    }
}

impl From<ReservedLine> for pb::ReservedLine {
    fn from(line: ReservedLine) -> Self {
        let ReservedLine { product_id, name, price_minor, currency: _, quantity, version, details } = line;
        Self {
            product_id,
            name,
            price_minor,
            quantity,
            version,
            variant_of: details.variant_of.unwrap_or_default(),
            sku: details.sku.unwrap_or_default(),
            variant_name: details.variant_name.unwrap_or_default(),
            tax_class: details.tax_class.unwrap_or_default(),
            category_id: details.category_id.unwrap_or_default(),
            weight_grams: details.weight_grams.unwrap_or_default(),
            is_digital: details.requires_shipping == Some(false),
        }
    }
}

impl From<InsufficientStockLine> for pb::InsufficientStockLine {
    fn from(line: InsufficientStockLine) -> Self {
        let InsufficientStockLine { product_id, name, requested, available } = line;
        Self { product_id, name, requested, available }
    }
}
