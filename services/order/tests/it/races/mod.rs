//! Races between customers, admins and killed processes. Each test runs with a few seeds, or with as many as
//! `BODEGA_RACE_SEEDS` says: `deploy/testing/races/run` runs 50.

mod codes;
mod kills;
mod rules;

use std::{ops::Range, sync::Mutex, time::Duration};

use bodega_proto::order::v1::{CheckoutForm, Order, PlaceOrderRequest};
use bodega_runtime::auth::Role;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    replica::{Client, Replica},
    test_app::{TestApp, with_long_deadline},
};

const DEFAULT_SEEDS: u64 = 3;

/// Returns the seeds of a test.
pub(crate) fn seeds() -> Range<u64> {
    let seeds = std::env::var("BODEGA_RACE_SEEDS").ok();
    0..seeds.map_or(DEFAULT_SEEDS, |seeds| seeds.parse().expect("BODEGA_RACE_SEEDS is a number"))
}

/// A store with two replicas, and the choices of a seed.
struct Race {
    app: TestApp,
    replica: Replica,
    rng: Mutex<StdRng>,
}

impl Race {
    async fn start(seed: u64) -> Self {
        let app = TestApp::start().await;
        let replica = app.replica().await;
        Self { app, replica, rng: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// Returns a client of one of the replicas.
    fn client(&self, user: Uuid) -> Client {
        match self.random(0..2) == 0 {
            true => self.app.client(user),
            false => self.replica.client(user, Role::User),
        }
    }

    /// Returns a short time.
    fn pause(&self) -> Duration {
        Duration::from_micros(self.random(0..40_000).unsigned_abs())
    }

    fn random(&self, range: Range<i64>) -> i64 {
        self.rng.lock().unwrap().random_range(range)
    }

    /// Checks that everything is consistent, and stops the replicas: all seeds share the connections of one server.
    async fn finish(self) {
        self.replica.kill().await;
        self.app.assert_consistent().await;
        self.app.stop().await;
    }
}

/// Places an order after a pause, and again while it is still being placed.
async fn place_after(
    pause: Duration,
    mut client: Client,
    expected_total_minor: Option<i64>,
    form: CheckoutForm,
) -> Result<Order, Status> {
    tokio::time::sleep(pause).await;
    let idempotency_key = Uuid::now_v7().to_string();
    let request =
        PlaceOrderRequest { idempotency_key, expected_total_minor, form: Some(form), ..Default::default() };
    for _ in 0..60 {
        let result = with_long_deadline(client.place_order(request.clone())).await;
        match result {
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            result => return Ok(result?.into_inner().order.unwrap()),
        }
    }
    panic!("the order is not placed in time");
}
