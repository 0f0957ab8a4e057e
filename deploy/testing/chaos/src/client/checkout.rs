//! Placing an order.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Client, LATEST_ORDERS,
    api::{Request, Response},
    counters::increment,
    retry_profile::RetryProfile,
    scenario::{Form, Scenario},
};

impl Client {
    /// Places an order from the cart and returns its id; `None` if there is no order.
    pub(super) async fn check_out(&mut self, scenario: &Scenario) -> Option<String> {
        let key = (self.retry_profile == RetryProfile::Backoff).then(|| Uuid::now_v7().to_string());
        let form = match scenario.form {
            Some(form) => self.fill_form(form).await?,
            None => Value::Null,
        };
        let request = Request::post("/api/orders", form).with_idempotency_key(key);
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

    /// Returns the body of an order, with the total of a quote if the client asks for one.
    async fn fill_form(&mut self, form: Form) -> Option<Value> {
        let rules = &self.products.rules;
        let mut body = json!({
            "contact": {"email": "client@chaos.example"},
            "shippingAddress": {"name": "Client", "line1": "1 Main St", "city": "Springfield", "country": "US"},
        });
        if form.ships && rules.shipping_method != 0 {
            body["shippingMethod"] = rules.shipping_method.into();
        }
        if let Some(code) = form.code.and_then(|index| rules.codes.get(index)) {
            body["discountCodes"] = json!([code]);
        }
        if form.quotes {
            let quote = self.session.send(&Request::post("/api/checkout/quote", body.clone())).await?;
            if quote.json["total"].is_number() {
                body["expectedTotal"] = quote.json["total"].clone();
            }
        }
        Some(body)
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
