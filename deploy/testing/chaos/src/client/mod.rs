//! Simulated clients, which use the store until they are stopped, whatever happens to it.
//!
//! A client draws a [`scenario`] and runs it: [`cart`], [`checkout`] and [`payment`]. Its requests belong to a
//! [`session`] and go through [`api`], which records them in the journal and retries them according to the
//! [`retry_profile`]. No response stops a client, and only the invariants check the responses.

mod admin;
mod api;
mod cart;
mod checkout;
mod counters;
mod guest;
mod payment;
mod product_set;
mod redaction;
mod retry_profile;
mod rules;
mod scenario;
mod session;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use bodega_stripe_double::StripeDouble;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    admin::Fulfillment, counters::Counters, guest::Guest, product_set::ProductSet, session::Session,
};
use self::{
    api::{ApiClient, Request},
    retry_profile::RetryProfile,
    scenario::{Renewal, Scenario},
};
use crate::journal::Journal;

/// After a failed scenario, so that the journal does not fill up while the store is down.
const FAILURE_PAUSE: Duration = Duration::from_millis(300);
const LATEST_ORDERS: &str = "/api/orders?limit=5";

pub(crate) struct Client {
    session: Session,
    retry_profile: RetryProfile,
    products: ProductSet,
    stripe: StripeDouble,
    counters: Arc<Counters>,
    /// Scenarios are drawn from it.
    rng: StdRng,
    latest_order: Option<String>,
}

impl Client {
    /// Creates the client with this number, which determines its account (together with the seed) and its
    /// [`RetryProfile`]. It registers when it first needs a token.
    pub(crate) fn new(
        number: usize,
        seed: u64,
        url: &str,
        journal: Journal,
        stripe: StripeDouble,
        products: &ProductSet,
    ) -> Self {
        let client_seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64);
        let mut rng = StdRng::seed_from_u64(client_seed);
        let api = ApiClient::new(number, client_seed, products.http.clone(), url, journal);
        let password = format!("{:032x}", rng.random::<u128>());
        let email = format!("client-{number}-{seed}@chaos.example");
        Self {
            session: Session::new(api, format!("Client {number}"), email, password),
            retry_profile: RetryProfile::of(number),
            products: products.clone(),
            stripe,
            counters: Arc::default(),
            rng,
            latest_order: None,
        }
    }

    #[must_use]
    pub(crate) fn with_counters(mut self, counters: &Arc<Counters>) -> Self {
        self.counters = Arc::clone(counters);
        self.session.api.counters = Arc::clone(counters);
        self
    }

    /// Runs scenarios until `stop` is cancelled. The open request is completed then, the rest of its scenario is not.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.session.api.stop = stop.clone();
        while !stop.is_cancelled() {
            let scenario = Scenario::draw(&mut self.rng, &self.products.ids, self.retry_profile);
            if self.run_scenario(&scenario).await.is_none() {
                // `None` means that the client is stopped, which ends the loop.
                let _ = self.session.api.pause(FAILURE_PAUSE).await;
            }
        }
    }

    /// Returns `None` if a step has no response that the next step needs.
    async fn run_scenario(&mut self, scenario: &Scenario) -> Option<()> {
        self.sign_in(scenario.renewal).await?;
        if scenario.views_product {
            let id = scenario.lines.first()?.product;
            let product = self.products.product_of(id).unwrap_or(id);
            self.session.send_once(&Request::get(format!("/api/products/{product}"))).await;
        }
        self.fill_cart(scenario).await?;
        let order = self.check_out(scenario).await?;
        if scenario.reads_order {
            self.session.send(&Request::get(order_path(&order))).await?;
        }
        self.finish_order(&order, scenario).await?;
        if scenario.lists_orders {
            self.session.send(&Request::get(LATEST_ORDERS)).await?;
        }
        Some(())
    }

    async fn sign_in(&mut self, renewal: Option<Renewal>) -> Option<()> {
        let is_signed_in = match renewal {
            _ if !self.session.is_signed_in() => self.session.renew().await,
            Some(Renewal::Refresh) => self.session.renew().await,
            Some(Renewal::SignIn) => self.session.sign_in().await,
            None => true,
        };
        is_signed_in.then_some(())
    }
}

/// Registers a user and returns an access token.
pub(crate) async fn register(
    url: &str,
    products: &ProductSet,
    email: &str,
    password: &str,
) -> anyhow::Result<String> {
    let api = ApiClient::new(0, rand::random(), products.http.clone(), url, Journal::start());
    let mut session = Session::new(api, "Load user".to_owned(), email.to_owned(), password.to_owned());
    anyhow::ensure!(session.sign_in().await, "cannot register {email}");
    session.api.token.context("no token")
}

fn order_path(order: &str) -> String {
    format!("/api/orders/{order}")
}
