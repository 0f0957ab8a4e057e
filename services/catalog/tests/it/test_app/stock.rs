//! Calls of the stock service, and the ledger.

use bodega_proto::catalog::v1::{
    ReleaseRequest, ReserveRequest, ReturnUnitsRequest, StockLine, reserve_response::Outcome,
    stock_service_client::StockServiceClient,
};
use bodega_runtime::transport::Transport;
use tonic::Status;
use uuid::Uuid;

use super::TestApp;

impl TestApp {
    fn stock_service(&self) -> StockServiceClient<Transport> {
        StockServiceClient::new(Transport::unauthenticated(self.routes.clone()).streaming())
    }

    pub(crate) async fn try_reserve(&self, order_id: Uuid, lines: &[(i32, i32)]) -> Result<Outcome, Status> {
        let lines = lines.iter().map(|&(product_id, quantity)| StockLine { product_id, quantity }).collect();
        let request = ReserveRequest { order_id: order_id.to_string(), lines };
        Ok(self.stock_service().reserve(request).await?.into_inner().outcome.unwrap())
    }

    pub(crate) async fn reserve(&self, order_id: Uuid, lines: &[(i32, i32)]) -> Outcome {
        self.try_reserve(order_id, lines).await.unwrap()
    }

    pub(crate) async fn release(&self, order_id: Uuid) {
        let request = ReleaseRequest { order_id: order_id.to_string() };
        self.stock_service().release(request).await.unwrap();
    }

    /// Records a return of units of an order.
    pub(crate) async fn return_units(
        &self,
        return_id: Uuid,
        order_id: Uuid,
        lines: &[(i32, i32)],
        restock: bool,
    ) -> Result<(), Status> {
        let lines = lines.iter().map(|&(product_id, quantity)| StockLine { product_id, quantity });
        let request = ReturnUnitsRequest {
            return_id: return_id.to_string(),
            order_id: order_id.to_string(),
            lines: lines.collect(),
            restock,
        };
        self.stock_service().return_units(request).await.map(drop)
    }

    pub(crate) async fn stock_of(&self, id: i32) -> i32 {
        self.batch_get(&[id]).await[0].stock
    }

    /// Returns the reason and delta of each stock movement of a product.
    pub(crate) async fn movements(&self, id: i32) -> Vec<(String, i32)> {
        sqlx::query_as("select reason, delta from catalog.stock_movements where product_id = $1 order by id")
            .bind(id)
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    /// Checks that the stock of every product is the sum of its movements.
    pub(crate) async fn assert_ledger_adds_up(&self) {
        let wrong: Vec<(i32, i32, i64)> = sqlx::query_as(
            "select p.id, p.stock, coalesce(sum(m.delta), 0)
             from catalog.products p left join catalog.stock_movements m on m.product_id = p.id
             group by p.id having p.stock <> coalesce(sum(m.delta), 0)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert!(wrong.is_empty(), "stock differs from the ledger: {wrong:?}");
    }
}
