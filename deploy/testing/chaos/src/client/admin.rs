//! An admin who ships and refunds parts of orders, and changes the limits of discount codes.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{ProductSet, Session, api::Request, order_path};
use crate::{cluster::Admin, journal::Journal};

const PAID_ORDERS: &str = "/api/admin/orders?status=paid&limit=20";
const MAX_PAUSE_MS: u64 = 150;

/// The admin's work. Its requests are in the journal.
pub(crate) struct Fulfillment {
    session: Session,
    products: ProductSet,
    rng: StdRng,
}

/// What the admin does next.
#[derive(Clone, Copy, Debug)]
enum Task {
    ShipUnit,
    ShipAll,
    /// With or without adding it back to the stock.
    ReturnUnit(bool),
    /// Of two refunds of 60 % only one can succeed.
    RefundTwice,
    /// Sends a refund of 10 % twice with one key.
    RepeatRefund,
    ChangeLimit,
}

impl Fulfillment {
    /// Signs the admin in.
    ///
    /// # Errors
    /// The store does not respond.
    pub(crate) async fn start(
        url: &str,
        admin: &Admin,
        seed: u64,
        journal: Journal,
        products: &ProductSet,
    ) -> anyhow::Result<Self> {
        let session = Session::of_admin_in(journal, url, admin).await?;
        Ok(Self { session, products: products.clone(), rng: StdRng::seed_from_u64(seed ^ 0xad_314) })
    }

    /// Works until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.session.api.stop = stop.clone();
        while !stop.is_cancelled() {
            // `None` means that there is no response, or that the admin is stopped.
            let _ = self.work().await;
            let pause = Duration::from_millis(self.rng.random_range(0..MAX_PAUSE_MS));
            let _ = self.session.api.pause(pause).await;
        }
    }

    async fn work(&mut self) -> Option<()> {
        let task = match self.rng.random_range(0..100) {
            0..25 => Task::ShipUnit,
            25..40 => Task::ShipAll,
            40..70 => Task::ReturnUnit(self.rng.random()),
            70..80 => Task::RefundTwice,
            80..90 => Task::RepeatRefund,
            _ => Task::ChangeLimit,
        };
        if let Task::ChangeLimit = task {
            return self.change_limit().await;
        }
        let paid = self.session.send(&Request::get(PAID_ORDERS)).await?;
        let order = paid.json["items"].as_array()?.choose(&mut self.rng)?.clone();
        let path = order_path(order["id"].as_str()?);
        let variant = order["products"].as_array()?.choose(&mut self.rng)?["variantId"].clone();
        let unit = json!([{"variantId": variant, "quantity": 1}]);
        let part = |percentage: i64| {
            let total = order["totalAmount"].as_f64()?;
            Some(json!({"amount": (total * percentage as f64).floor() / 100.0}))
        };
        match task {
            Task::ShipUnit => {
                self.send(&path, "shipments", &json!({"lines": unit, "carrier": "DHL"})).await?
            }
            Task::ShipAll => self.send(&path, "shipments", &json!({})).await?,
            Task::ReturnUnit(restock) => {
                self.send(&path, "refunds", &json!({"lines": unit, "restock": restock})).await?;
            }
            Task::RefundTwice => {
                let body = part(60)?;
                let [first, second] = [(); 2].map(|()| self.keyed(&path, "refunds", &body));
                let api = &self.session.api;
                tokio::join!(api.send_once(&first), api.send_once(&second));
            }
            Task::RepeatRefund => {
                let request = self.keyed(&path, "refunds", &part(10)?);
                let api = &self.session.api;
                tokio::join!(api.send_once(&request), api.send_once(&request));
            }
            Task::ChangeLimit => {}
        }
        Some(())
    }

    fn keyed(&self, order: &str, what: &str, body: &Value) -> Request {
        Request::post(format!("{order}/{what}"), body.clone())
            .with_idempotency_key(Some(Uuid::now_v7().to_string()))
    }

    async fn send(&mut self, order: &str, what: &str, body: &Value) -> Option<()> {
        let request = self.keyed(order, what, body);
        self.session.send(&request).await.map(drop)
    }

    /// Raises or lowers the limit of a code. It cannot be lower than the number of uses.
    async fn change_limit(&mut self) -> Option<()> {
        let code = self.products.rules.codes.choose(&mut self.rng)?.clone();
        let discounts = self.session.send(&Request::get("/api/discounts?limit=100")).await?;
        let discounts = discounts.json["items"].as_array()?.clone();
        let found = discounts.iter().find(|discount| discount["code"] == code.as_str())?;
        let limit = found["used"].as_i64()? + self.rng.random_range(-1..=4);
        let changed = json!({
            "code": code, "title": "Sale", "class": "order", "percentOff": 10, "usageLimit": limit.max(1),
        });
        let path = format!("/api/discounts/{}", found["id"]);
        self.session.send(&Request::put(path, changed)).await.map(drop)
    }
}
