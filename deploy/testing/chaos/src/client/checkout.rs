//! Placing an order.

use serde_json::Value;
use uuid::Uuid;

use super::{
    Client, LATEST_ORDERS,
    api::{Request, Response},
    counters::increment,
    retry_profile::RetryProfile,
    scenario::Scenario,
};

impl Client {
    /// Places an order from the cart and returns its id; `None` if there is no order.
    pub(super) async fn check_out(&mut self, scenario: &Scenario) -> Option<String> {
        let key = (self.retry_profile == RetryProfile::Backoff).then(|| Uuid::now_v7().to_string());
        let request = Request::post("/api/orders", Value::Null).with_idempotency_key(key);
        let response = match scenario.sends_duplicates {
            true => self.send_twice_at_once(&request).await.into_iter().find(Response::is_success),
            false => None,
        };
        let response = match response {
            Some(response) => Some(response),
            None => self.session.send(&request).await,
        };
        match response.as_ref().and_then(placed_order) {
            Some(id) => Some(self.count_order(id)),
            None => self.find_unknown_order(response).await,
        }
    }

    /// Sends a request twice at the same time, and returns the responses.
    pub(super) async fn send_twice_at_once(&self, request: &Request) -> Vec<Response> {
        let api = &self.session.api;
        let (first, second) = tokio::join!(api.send_once(request), api.send_once(request));
        first.into_iter().chain(second).collect()
    }

    /// Looks for an order that was placed by a request without a response, unless the checkout was rejected.
    async fn find_unknown_order(&mut self, response: Option<Response>) -> Option<String> {
        match response.as_ref().map(Response::code) {
            None | Some("empty_cart") => {
                let orders = self.session.send(&Request::get(LATEST_ORDERS)).await?;
                let latest = orders.json["items"][0]["id"].as_str()?;
                if self.latest_order.as_deref() == Some(latest) {
                    return None;
                }
                Some(self.count_order(latest.to_owned()))
            }
            Some(code) => {
                increment(&self.counters.rejected);
                // The next order would be rejected as well.
                if code == "out_of_stock" {
                    self.clear_cart().await?;
                }
                None
            }
        }
    }

    /// Counts an order if it is new to the client.
    fn count_order(&mut self, id: String) -> String {
        if self.latest_order.as_ref() != Some(&id) {
            increment(&self.counters.placed);
            self.latest_order = Some(id.clone());
        }
        id
    }
}

fn placed_order(response: &Response) -> Option<String> {
    if !response.is_success() {
        return None;
    }
    response.json["id"].as_str().map(str::to_owned)
}
