//! The shopper, who pays in a browser.

use std::{fmt, time::Duration};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use crate::{double::StripeDouble, id, ledger::Card};

const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// Why a shopper came to no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShopperError {
    /// Stripe refuses: the status, and what it says.
    Refused(u16, String),
    /// There was no good answer, however often it was tried.
    GaveUp,
}

impl fmt::Display for ShopperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status, message) => write!(f, "Stripe answers {status}: {message}"),
            Self::GaveUp => write!(f, "there is no good answer after {ATTEMPTS} attempts"),
        }
    }
}

impl std::error::Error for ShopperError {}

impl StripeDouble {
    /// Pays as a browser does, over HTTP, again and again until it is known how it went. `intent` is a client secret; or
    /// an id, and then it is the merchant who confirms. Answers the intent as it is then: a card that was declined is no
    /// error, nor is an intent that cannot be paid any more.
    ///
    /// # Errors
    /// When there is no such intent, or no answer.
    pub async fn confirm(&self, intent: &str, card: Card) -> Result<Value, ShopperError> {
        let id = intent.split("_secret_").next().unwrap_or_default();
        let mut form = vec![("payment_method", card.payment_method())];
        let key = match id == intent {
            true => &self.options().secret_key,
            false => {
                form.push(("client_secret", intent));
                &self.options().publishable_key
            }
        };
        let url = format!("{}/v1/payment_intents/{id}/confirm", self.url());
        let request = self.shared.http.post(url).bearer_auth(key).form(&form);
        let mut idempotency_key = id::random(24);
        for _ in 0..ATTEMPTS {
            let attempt =
                request.try_clone().map(|request| request.header("idempotency-key", &idempotency_key));
            let Some(attempt) = attempt else { break };
            if let Ok(response) = attempt.send().await {
                let status = response.status();
                let is_replay = response.headers().contains_key("idempotent-replayed");
                let body: Value = response.json().await.unwrap_or_default();
                match status {
                    StatusCode::OK => return Ok(body),
                    StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {}
                    // It will be the same with this key for ever. If it did happen, a new one is told so.
                    status if status.is_server_error() && is_replay => idempotency_key = id::random(24),
                    status if status.is_server_error() => {}
                    status => return verdict(status, &body["error"]),
                }
            }
            sleep(PAUSE).await;
        }
        Err(ShopperError::GaveUp)
    }
}

/// The intent that an error is about, if it is about one.
fn verdict(status: StatusCode, error: &Value) -> Result<Value, ShopperError> {
    if error["payment_intent"].is_object() {
        return Ok(error["payment_intent"].clone());
    }
    let message = error["message"].as_str().unwrap_or_default();
    Err(ShopperError::Refused(status.as_u16(), message.to_owned()))
}
