//! The customer, who pays in a browser.

use std::{fmt, time::Duration};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use crate::{double::StripeDouble, id, ledger::Card};

const MAX_ATTEMPTS: u32 = 20;
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The reason why a confirmation has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfirmError {
    /// The API rejected the confirmation with this status and message.
    Rejected(u16, String),
    /// No attempt received a final response.
    RetriesExhausted,
}

impl fmt::Display for ConfirmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(status, message) => write!(f, "the API responded {status}: {message}"),
            Self::RetriesExhausted => write!(f, "no final response after {MAX_ATTEMPTS} attempts"),
        }
    }
}

impl std::error::Error for ConfirmError {}

impl StripeDouble {
    /// Confirms a payment as a browser does, over HTTP, and retries until the result is known. `intent` is a client
    /// secret, or an id to confirm it as the merchant. Returns the resulting intent; a declined card, or an
    /// intent that cannot be paid any more, is not an error.
    ///
    /// # Errors
    /// When there is no such intent, or no attempt receives a final response.
    pub async fn confirm(&self, intent: &str, card: Card) -> Result<Value, ConfirmError> {
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
        for _ in 0..MAX_ATTEMPTS {
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
                    // This key returns the stored error forever. A new key finds out whether the payment has succeeded.
                    status if status.is_server_error() && is_replay => idempotency_key = id::random(24),
                    status if status.is_server_error() => {}
                    status => return intent_of_error(status, &body["error"]),
                }
            }
            sleep(RETRY_DELAY).await;
        }
        Err(ConfirmError::RetriesExhausted)
    }
}

/// Returns the intent that the error contains, if any.
fn intent_of_error(status: StatusCode, error: &Value) -> Result<Value, ConfirmError> {
    if error["payment_intent"].is_object() {
        return Ok(error["payment_intent"].clone());
    }
    let message = error["message"].as_str().unwrap_or_default();
    Err(ConfirmError::Rejected(status.as_u16(), message.to_owned()))
}
