use bodega_proto::cart::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::{Amount, Timestamp, non_empty};

/// A cart with current prices.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "products": [{
        "productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00,
        "imageUrl": "https://example.com/mug.jpg", "available": true
    }],
    "totalPrice": 25.00, "currency": "USD", "count": 2, "updatedAt": "2026-11-21T09:30:00.123456Z"
}))]
pub(crate) struct Cart {
    /// Lines in the order in which the products were added.
    pub(crate) products: Vec<CartLine>,
    /// Sum of the line totals, in major units of the currency.
    pub(crate) total_price: Amount,
    /// ISO 4217 code of the currency.
    currency: String,
    /// Sum of the quantities.
    count: i64,
    /// When the cart last changed, or null when it never did.
    #[schema(required)]
    updated_at: Option<Timestamp>,
    /// Token of a new guest cart, to be sent as `X-Cart-Token`. Only in the response that creates the cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cart_token: Option<String>,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CartLine {
    /// Id of the product.
    pub(crate) product_id: i32,
    /// Current name of the product.
    pub(crate) name: String,
    /// Current unit price in major units of the currency, for example 12.50.
    pub(crate) price: Amount,
    /// Number of units.
    pub(crate) quantity: i32,
    /// Price times quantity.
    pub(crate) line_total: Amount,
    /// URL of the main image of the product, or null when it has none.
    #[schema(required)]
    pub(crate) image_url: Option<String>,
    /// Whether the whole quantity is in stock.
    available: bool,
}

impl Cart {
    /// Converts a cart; an empty one gets the currency of the store.
    pub(crate) fn new(cart: pb::Cart, store: Currency) -> Self {
        let currency = if cart.currency.is_empty() { store.code().to_owned() } else { cart.currency };
        let line = |item: pb::CartItem| CartLine {
            product_id: item.product_id,
            name: item.name,
            price: Amount::new(item.price_minor, &currency),
            quantity: item.quantity,
            line_total: Amount::new(item.line_total_minor, &currency),
            image_url: non_empty(item.image_url),
            available: item.available,
        };
        Self {
            products: cart.items.into_iter().map(line).collect(),
            total_price: Amount::new(cart.total_minor, &currency),
            count: cart.count,
            updated_at: Timestamp::of(cart.updated_at),
            cart_token: None,
            currency,
        }
    }

    /// Adds the token of a new guest cart, if it is not empty.
    #[must_use]
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.cart_token = non_empty(token.to_owned());
        self
    }
}

/// A product to add to the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"productId": 7, "quantity": 2}))]
pub(crate) struct AddToCartInput {
    /// Id of the product. `product_id` is accepted too.
    #[serde(alias = "product_id")]
    pub(crate) product_id: i32,
    /// Units to add to the quantity that is in the cart.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 9_999, default = 1)]
    pub(crate) quantity: i32,
}

fn one() -> i32 {
    1
}

/// A product to remove from the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"productId": 7}))]
pub(crate) struct RemoveFromCartInput {
    /// Id of the product. `product_id` is accepted too.
    #[serde(alias = "product_id")]
    pub(crate) product_id: i32,
}

/// The new quantity of a product in the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quantity": 3}))]
pub(crate) struct CartQuantityInput {
    /// Number of units; 0 removes the product.
    #[schema(minimum = 0, maximum = 9_999)]
    pub(crate) quantity: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    #[test]
    fn writes_every_field_of_an_empty_cart() {
        let json = serde_json::to_string(&Cart::new(pb::Cart::default(), usd())).unwrap();
        assert_eq!(json, r#"{"products":[],"totalPrice":0.00,"currency":"USD","count":0,"updatedAt":null}"#);
    }

    #[test]
    fn writes_the_price_and_availability_of_a_line() {
        let item = pb::CartItem {
            product_id: 7,
            name: "Mug".to_owned(),
            price_minor: 1250,
            quantity: 2,
            line_total_minor: 2500,
            image_url: String::new(),
            available: false,
            stock: 1,
        };
        let cart = pb::Cart { items: vec![item], currency: "EUR".to_owned(), count: 2, ..Default::default() };
        let json = serde_json::to_string(&Cart::new(cart, usd()).with_token("secret")).unwrap();
        assert!(json.starts_with(
            r#"{"products":[{"productId":7,"name":"Mug","price":12.50,"quantity":2,"lineTotal":25.00,"imageUrl":null,"available":false}]"#
        ));
        assert!(json.ends_with(r#""currency":"EUR","count":2,"updatedAt":null,"cartToken":"secret"}"#));
    }

    #[test]
    fn adds_one_unit_by_default() {
        let input: AddToCartInput = serde_json::from_str(r#"{"product_id": 7}"#).unwrap();
        assert_eq!((input.product_id, input.quantity), (7, 1));
        assert!(serde_json::from_str::<AddToCartInput>(r#"{"productId": 7, "quantity": null}"#).is_err());
    }
}
