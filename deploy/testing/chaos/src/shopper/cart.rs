//! Filling a cart.

use serde_json::{Value, json};

use super::{
    Shopper,
    client::Request,
    errand::{Errand, Line, SecondThought},
    temper::Temper,
};

impl Shopper {
    /// Puts what an errand wants into the cart, and looks at the cart; `None` when nothing is in it.
    pub(super) async fn fill_cart(&mut self, errand: &Errand) -> Option<()> {
        for line in &errand.lines {
            self.add(*line).await?;
        }
        if let (Some(thought), Some(line)) = (errand.second_thought, errand.lines.first()) {
            let path = item(line.product);
            let request = match thought {
                SecondThought::Change(quantity) => Request::put(path, json!({"quantity": quantity})),
                SecondThought::Remove => Request::delete(path),
            };
            self.member.ask(&request).await?;
        }
        let cart = self.member.ask(&Request::get("/api/cart")).await?;
        let is_empty = cart.json["products"].as_array().is_none_or(Vec::is_empty);
        (!is_empty).then_some(())
    }

    /// Adds a line.
    ///
    /// Adding is not repeatable: quantities add up. So a sane shopper who got no answer looks into the cart first, and
    /// sets what it finds there; a mad one adds it again.
    async fn add(&mut self, line: Line) -> Option<()> {
        let Line { product, quantity } = line;
        let request = Request::post("/api/cart/add", json!({"productId": product, "quantity": quantity}));
        if self.temper == Temper::Mad {
            return self.member.ask(&request).await.map(drop);
        }
        if self.member.ask_once(&request).await.is_some() {
            return Some(());
        }
        let cart = self.member.ask(&Request::get("/api/cart")).await?;
        let again = match holds(&cart.json, product) {
            true => Request::put(item(product), json!({"quantity": quantity})),
            false => request,
        };
        self.member.ask(&again).await.map(drop)
    }

    /// Takes everything out of the cart.
    pub(super) async fn empty_cart(&mut self) -> Option<()> {
        self.member.ask(&Request::delete("/api/cart")).await.map(drop)
    }
}

/// Where a line of the cart is.
fn item(product: i64) -> String {
    format!("/api/cart/items/{product}")
}

/// Whether a cart has a line of a product.
fn holds(cart: &Value, product: i64) -> bool {
    let lines = cart["products"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().any(|line| line["productId"] == product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_tells_what_it_holds() {
        let cart = json!({"products": [{"productId": 7, "quantity": 2}]});
        assert!(holds(&cart, 7));
        assert!(!holds(&cart, 8));
        assert!(!holds(&Value::Null, 7));
    }
}
