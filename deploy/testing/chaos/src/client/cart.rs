//! The cart of a scenario.

use serde_json::{Value, json};

use super::{
    Client,
    api::Request,
    retry_profile::RetryProfile,
    scenario::{CartEdit, Line, Scenario},
};

impl Client {
    /// Fills the cart and reads it. Returns `None` if it is empty.
    pub(super) async fn fill_cart(&mut self, scenario: &Scenario) -> Option<()> {
        for line in &scenario.lines {
            self.add(*line).await?;
        }
        if let (Some(edit), Some(line)) = (scenario.cart_edit, scenario.lines.first()) {
            let path = item_path(line.product);
            let request = match edit {
                CartEdit::SetQuantity(quantity) => Request::put(path, json!({"quantity": quantity})),
                CartEdit::Remove => Request::delete(path),
            };
            self.session.send(&request).await?;
        }
        let cart = self.session.send(&Request::get("/api/cart")).await?;
        let is_empty = cart.json["products"].as_array().is_none_or(Vec::is_empty);
        (!is_empty).then_some(())
    }

    /// Adds a line.
    ///
    /// A repeated request would add the quantity twice. So without a response, a client with backoff reads the cart, and
    /// sets the quantity if it contains the product. An aggressive client adds the line again.
    async fn add(&mut self, line: Line) -> Option<()> {
        let Line { product, quantity } = line;
        let field = match self.products.product_of(product) {
            Some(_) => "variantId",
            None => "productId",
        };
        let request = Request::post("/api/cart/add", json!({field: product, "quantity": quantity}));
        if self.retry_profile == RetryProfile::Aggressive {
            return self.session.send(&request).await.map(drop);
        }
        if self.session.send_once(&request).await.is_some() {
            return Some(());
        }
        let cart = self.session.send(&Request::get("/api/cart")).await?;
        let retry = match contains(&cart.json, product) {
            true => Request::put(item_path(product), json!({"quantity": quantity})),
            false => request,
        };
        self.session.send(&retry).await.map(drop)
    }

    pub(super) async fn clear_cart(&mut self) -> Option<()> {
        self.session.send(&Request::delete("/api/cart")).await.map(drop)
    }
}

fn item_path(product: i64) -> String {
    format!("/api/cart/items/{product}")
}

fn contains(cart: &Value, product: i64) -> bool {
    let lines = cart["products"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().any(|line| line["variantId"] == product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_product_in_a_cart() {
        let cart = json!({"products": [{"productId": 6, "variantId": 7, "quantity": 2}]});
        assert!(contains(&cart, 7));
        assert!(!contains(&cart, 6));
        assert!(!contains(&Value::Null, 7));
    }
}
