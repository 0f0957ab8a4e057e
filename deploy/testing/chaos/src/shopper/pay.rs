//! Paying for an order, or not.

use std::time::Duration;

use bodega_stripe_double::Card;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Shopper,
    client::{Answer, Request},
    counts::count,
    errand::{Decline, Ending, Errand},
    path_of,
};

/// The longest that a shopper waits for its bank: longer than Stripe may be slow, so that no charge comes after it left.
const PATIENCE: Duration = Duration::from_secs(12);
/// When a shopper who waits looks again.
const LOOKS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
    Duration::from_millis(2700),
    Duration::from_secs(5),
];

impl Shopper {
    /// Ends an order as its errand says; `None` when it could not.
    pub(super) async fn settle(&mut self, order: &str, errand: &Errand) -> Option<()> {
        match errand.ending {
            Ending::Leave => Some(()),
            Ending::Pay => {
                let is_paid = self.pay(order, errand).await?;
                match errand.waits && is_paid {
                    true => self.wait_for_money(order).await,
                    false => self.member.ask(&Request::get(path_of(order))).await.map(drop),
                }
            }
            Ending::PayAndCancel => {
                self.pay(order, errand).await?;
                self.cancel(order).await
            }
            Ending::Cancel => self.cancel(order).await,
            Ending::CancelAndPay => {
                let secrets = self.begin_payment(order, errand.doubles).await?;
                self.cancel(order).await?;
                for secret in secrets {
                    self.confirm(&secret, Card::Visa).await;
                }
                self.member.ask(&Request::get(path_of(order))).await.map(drop)
            }
        }
    }

    /// Pays an order; whether Stripe says that it has the money.
    async fn pay(&mut self, order: &str, errand: &Errand) -> Option<bool> {
        let mut secrets = self.begin_payment(order, errand.doubles).await?;
        if let (Some(decline), Some(secret)) = (errand.decline, secrets.first()) {
            self.confirm(secret, Card::Declined).await;
            if decline == Decline::BeginAgain {
                secrets = self.begin_payment(order, false).await?;
            }
        }
        let mut is_paid = false;
        // Whoever was given two ways to pay tries both: only one may take the money.
        for secret in secrets {
            is_paid |= self.confirm(&secret, Card::Visa).await;
        }
        if is_paid {
            count(&self.counts.paid);
        }
        Some(is_paid)
    }

    /// Asks for what it takes to pay: the client secrets of the intents it was told of, none when it was refused.
    async fn begin_payment(&mut self, order: &str, doubles: bool) -> Option<Vec<String>> {
        let request = Request::post(format!("{}/payment", path_of(order)), Value::Null);
        let mut secrets = match doubles {
            true => self.ask_twice_at_once(&request).await.iter().filter_map(secret_of).collect(),
            false => Vec::new(),
        };
        if secrets.is_empty() {
            secrets.extend(self.member.ask(&request).await.as_ref().map(secret_of)?);
        }
        secrets.dedup();
        Some(secrets)
    }

    /// Pays at Stripe, as a browser does; whether Stripe says that it has the money.
    async fn confirm(&self, secret: &str, card: Card) -> bool {
        if self.member.client.is_to_stop() {
            return false;
        }
        let confirmed = timeout(PATIENCE, self.stripe.confirm(secret, card)).await;
        matches!(confirmed, Ok(Ok(intent)) if intent["status"] == "succeeded")
    }

    async fn cancel(&mut self, order: &str) -> Option<()> {
        let request = Request::post(format!("{}/cancel", path_of(order)), Value::Null);
        let answer = self.member.ask(&request).await?;
        if answer.is_success() {
            count(&self.counts.cancelled);
        }
        Some(())
    }

    /// Looks, for a bounded time, until the store has heard of the money.
    async fn wait_for_money(&mut self, order: &str) -> Option<()> {
        for pause in LOOKS {
            let seen = self.member.ask(&Request::get(path_of(order))).await?;
            if seen.json["status"] != "pending" {
                break;
            }
            self.member.client.rest(pause).await?;
        }
        Some(())
    }
}

/// The client secret that an answer tells.
fn secret_of(answer: &Answer) -> Option<String> {
    answer.json["clientSecret"].as_str().map(str::to_owned)
}
