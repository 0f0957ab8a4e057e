//! Carts, and what changes them.

use bodega_proto::cart::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::{Amount, Timestamp};

/// What somebody means to buy, at the prices of now.
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
    /// In the order they were added.
    products: Vec<CartLine>,
    /// The sum of the line totals.
    total_price: Amount,
    /// ISO 4217.
    currency: String,
    /// The sum of the quantities.
    count: i64,
    /// When it last changed; null when it never did.
    #[schema(required)]
    updated_at: Option<Timestamp>,
    /// Of a guest's new cart, told this once: to be sent back as `X-Cart-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cart_token: Option<String>,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CartLine {
    /// Which product.
    product_id: i32,
    /// As it is called now.
    name: String,
    /// Of one unit, now.
    price: Amount,
    /// How many.
    quantity: i32,
    /// Price times quantity.
    line_total: Amount,
    /// Null when there is none.
    #[schema(required)]
    image_url: Option<String>,
    /// Whether the whole quantity could be ordered now.
    available: bool,
}

impl Cart {
    /// A cart in the currency of its lines; an empty one in that of the shop.
    pub(crate) fn new(cart: pb::Cart, shop: Currency) -> Self {
        let currency = currency_of(&cart, shop);
        let line = |item: pb::CartItem| CartLine {
            product_id: item.product_id,
            name: item.name,
            price: Amount::new(item.price_minor, &currency),
            quantity: item.quantity,
            line_total: Amount::new(item.line_total_minor, &currency),
            image_url: Some(item.image_url).filter(|url| !url.is_empty()),
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

    /// The same cart, telling its guest the token; an empty one is none.
    #[must_use]
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.cart_token = Some(token.to_owned()).filter(|token| !token.is_empty());
        self
    }
}

/// The currency of a cart's lines; that of the shop where there are none.
pub(crate) fn currency_of(cart: &pb::Cart, shop: Currency) -> String {
    if cart.currency.is_empty() { shop.code().to_owned() } else { cart.currency.clone() }
}

/// A product, and how many of it come into the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"productId": 7, "quantity": 2}))]
pub(crate) struct AddInput {
    /// Which. `product_id` is accepted too.
    #[serde(alias = "product_id")]
    pub(crate) product_id: i32,
    /// How many, on top of what the cart has of it.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 9_999, default = 1)]
    pub(crate) quantity: i32,
}

fn one() -> i32 {
    1
}

/// A product that leaves the cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"productId": 7}))]
pub(crate) struct RemoveInput {
    /// Which. `product_id` is accepted too.
    #[serde(alias = "product_id")]
    pub(crate) product_id: i32,
}

/// How many of a product the cart has from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quantity": 3}))]
pub(crate) struct QuantityInput {
    /// 0 removes the line.
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
    fn an_empty_cart_has_every_field() {
        let json = serde_json::to_string(&Cart::new(pb::Cart::default(), usd())).unwrap();
        assert_eq!(json, r#"{"products":[],"totalPrice":0.00,"currency":"USD","count":0,"updatedAt":null}"#);
    }

    #[test]
    fn a_line_is_priced_and_says_whether_it_can_be_had() {
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
    fn one_is_added_where_nothing_else_is_said() {
        let input: AddInput = serde_json::from_str(r#"{"product_id": 7}"#).unwrap();
        assert_eq!((input.product_id, input.quantity), (7, 1));
        assert!(serde_json::from_str::<AddInput>(r#"{"productId": 7, "quantity": null}"#).is_err());
    }
}
