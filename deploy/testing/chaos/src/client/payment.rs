//! Paying for an order, or cancelling it.

use std::time::Duration;

use bodega_stripe_double::Card;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Client,
    api::{Request, Response},
    counters::increment,
    order_path,
    scenario::{Decline, Outcome, Scenario},
};

/// Longer than the delay of the fault `slow-stripe`, so that no charge succeeds after the client has stopped.
const STRIPE_TIMEOUT: Duration = Duration::from_secs(12);
/// Pauses between polls of an order that should become paid.
const POLL_PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(2700),
    Duration::from_secs(5),
];

impl Client {
    /// Pays, cancels or abandons an order, as the scenario requires. Returns `None` if that fails.
    pub(super) async fn finish_order(&mut self, order: &str, scenario: &Scenario) -> Option<()> {
        match scenario.outcome {
            Outcome::Abandon => Some(()),
            Outcome::Pay => {
                let is_paid = self.pay(order, scenario).await?;
                match scenario.waits_for_payment && is_paid {
                    true => self.wait_until_paid(order).await,
                    false => self.session.send(&Request::get(order_path(order))).await.map(drop),
                }
            }
            Outcome::PayAndCancel => {
                self.pay(order, scenario).await?;
                self.cancel(order).await
            }
            Outcome::Cancel => self.cancel(order).await,
            Outcome::CancelAndPay => {
                let secrets = self.start_payment(order, scenario.sends_duplicates).await?;
                self.cancel(order).await?;
                for secret in secrets {
                    self.confirm(&secret, Card::Visa).await;
                }
                self.session.send(&Request::get(order_path(order))).await.map(drop)
            }
        }
    }

    /// Pays an order. Returns whether Stripe has confirmed the payment.
    async fn pay(&mut self, order: &str, scenario: &Scenario) -> Option<bool> {
        let mut secrets = self.start_payment(order, scenario.sends_duplicates).await?;
        if let (Some(decline), Some(secret)) = (scenario.decline, secrets.first()) {
            self.confirm(secret, Card::Declined).await;
            if decline == Decline::StartAgain {
                secrets = self.start_payment(order, false).await?;
            }
        }
        let mut is_paid = false;
        // Of two intents only one may be charged.
        for secret in secrets {
            is_paid |= self.confirm(&secret, Card::Visa).await;
        }
        if is_paid {
            increment(&self.counters.paid);
        }
        Some(is_paid)
    }

    /// Starts a payment. Returns the client secrets of its intents; none if it was rejected.
    async fn start_payment(&mut self, order: &str, twice: bool) -> Option<Vec<String>> {
        let request = Request::post(format!("{}/payment", order_path(order)), Value::Null);
        let mut secrets = match twice {
            true => self.send_twice_at_once(&request).await.iter().filter_map(client_secret).collect(),
            false => Vec::new(),
        };
        if secrets.is_empty() {
            secrets.extend(self.session.send(&request).await.as_ref().map(client_secret)?);
        }
        secrets.dedup();
        Some(secrets)
    }

    /// Confirms an intent at Stripe, as a browser does. Returns whether it has succeeded.
    async fn confirm(&self, secret: &str, card: Card) -> bool {
        if self.session.api.stop.is_cancelled() {
            return false;
        }
        let confirmed = timeout(STRIPE_TIMEOUT, self.stripe.confirm(secret, card)).await;
        matches!(confirmed, Ok(Ok(intent)) if intent["status"] == "succeeded")
    }

    async fn cancel(&mut self, order: &str) -> Option<()> {
        let request = Request::post(format!("{}/cancel", order_path(order)), Value::Null);
        let response = self.session.send(&request).await?;
        if response.is_success() {
            increment(&self.counters.cancelled);
        }
        Some(())
    }

    /// Polls an order for a limited time until it is no longer pending.
    async fn wait_until_paid(&mut self, order: &str) -> Option<()> {
        for pause in POLL_PAUSES {
            let response = self.session.send(&Request::get(order_path(order))).await?;
            if response.json["status"] != "pending" {
                break;
            }
            self.session.api.pause(pause).await?;
        }
        Some(())
    }
}

fn client_secret(response: &Response) -> Option<String> {
    response.json["clientSecret"].as_str().map(str::to_owned)
}
