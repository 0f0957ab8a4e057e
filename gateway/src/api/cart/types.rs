use bodega_proto::cart::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    json::{Amount, Timestamp, non_empty, provided},
    problem::Problem,
};

/// A cart with current prices.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "products": [{
        "productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "lineTotal": 25.00,
        "imageUrl": "https://example.com/mug.jpg", "available": true,
        "variantId": 8, "sku": "MUG-R", "variantName": "red"
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
    /// Id of the variant, by which the line is changed and removed.
    pub(crate) variant_id: i32,
    /// Stock-keeping unit of the variant, or null when it has none.
    #[schema(required)]
    pub(crate) sku: Option<String>,
    /// Values of the variant's options, such as `M / red`, or null when it has none.
    #[schema(required)]
    pub(crate) variant_name: Option<String>,
}

impl Cart {
    /// Converts a cart; an empty one gets the currency of the store.
    pub(crate) fn new(cart: pb::Cart, store: Currency) -> Self {
        let currency = if cart.currency.is_empty() { store.code().to_owned() } else { cart.currency };
        let line = |item: pb::CartItem| CartLine {
            product_id: if item.variant_of == 0 { item.product_id } else { item.variant_of },
            variant_id: item.product_id,
            sku: non_empty(item.sku),
            variant_name: non_empty(item.variant_name),
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

/// A product to add to the cart: its id, that of one of its variants, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"productId": 7, "quantity": 2}))]
pub(crate) struct AddToCartInput {
    /// Id of the product. Required without `variantId`. `product_id` is accepted too.
    #[serde(default = "absent", alias = "product_id")]
    #[schema(value_type = Option<i32>, nullable = false)]
    pub(crate) product_id: i32,
    /// Id of the variant. Required if the product has several.
    #[serde(default, deserialize_with = "provided", alias = "variant_id")]
    #[schema(nullable = false)]
    pub(crate) variant_id: Option<i32>,
    /// Units to add to the quantity that is in the cart.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 9_999, default = 1)]
    pub(crate) quantity: i32,
}

fn one() -> i32 {
    1
}

/// Not an id: stands for one that the client has not sent.
const ABSENT: i32 = i32::MIN;

fn absent() -> i32 {
    ABSENT
}

impl AddToCartInput {
    /// Returns the ids of the product and of the variant, 0 for one that is absent.
    ///
    /// # Errors
    /// 422 `invalid_field` if both are absent.
    pub(crate) fn ids(&self) -> Result<(i32, i32), Problem> {
        match (self.product_id, self.variant_id) {
            (ABSENT, None) => Err(Problem::invalid("productId", "is required")),
            (ABSENT, Some(variant_id)) => Ok((0, variant_id)),
            (product_id, variant_id) => Ok((product_id, variant_id.unwrap_or_default())),
        }
    }
}

/// A line to remove from the cart: the id of the product, or that of its variant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"productId": 7}))]
pub(crate) struct RemoveFromCartInput {
    /// Id of the product. Required without `variantId`. `product_id` is accepted too.
    #[serde(default = "absent", alias = "product_id")]
    #[schema(value_type = Option<i32>, nullable = false)]
    product_id: i32,
    /// Id of the variant, as in the line.
    #[serde(default, deserialize_with = "provided", alias = "variant_id")]
    #[schema(nullable = false)]
    variant_id: Option<i32>,
}

impl RemoveFromCartInput {
    /// Returns the id of the line.
    ///
    /// # Errors
    /// 422 `invalid_field` if both ids are absent.
    pub(crate) fn line(&self) -> Result<i32, Problem> {
        match (self.product_id, self.variant_id) {
            (_, Some(variant_id)) => Ok(variant_id),
            (ABSENT, None) => Err(Problem::invalid("productId", "is required")),
            (product_id, None) => Ok(product_id),
        }
    }
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
            ..pb::CartItem::default()
        };
        let cart = pb::Cart { items: vec![item], currency: "EUR".to_owned(), count: 2, ..Default::default() };
        let json = serde_json::to_string(&Cart::new(cart, usd()).with_token("secret")).unwrap();
        assert!(json.starts_with(
            r#"{"products":[{"productId":7,"name":"Mug","price":12.50,"quantity":2,"lineTotal":25.00,"imageUrl":null,"available":false,"variantId":7,"sku":null,"variantName":null}]"#
        ));
        assert!(json.ends_with(r#""currency":"EUR","count":2,"updatedAt":null,"cartToken":"secret"}"#));
    }

    #[test]
    fn a_line_has_the_id_of_its_product_and_of_its_variant() {
        let item = pb::CartItem {
            product_id: 8,
            variant_of: 7,
            sku: "MUG-R".to_owned(),
            variant_name: "red".to_owned(),
            ..pb::CartItem::default()
        };
        let cart = Cart::new(pb::Cart { items: vec![item], ..Default::default() }, usd());
        let line = serde_json::to_value(&cart.products[0]).unwrap();
        assert_eq!((&line["productId"], &line["variantId"]), (&7.into(), &8.into()));
        assert_eq!((&line["sku"], &line["variantName"]), (&"MUG-R".into(), &"red".into()));
    }

    #[test]
    fn an_item_is_a_product_or_a_variant_or_both() {
        let ids = |json: &str| serde_json::from_str::<AddToCartInput>(json).unwrap().ids().ok();
        assert_eq!(ids(r#"{"productId": 7}"#), Some((7, 0)));
        assert_eq!(ids(r#"{"variantId": 8}"#), Some((0, 8)));
        assert_eq!(ids(r#"{"product_id": 7, "variant_id": 8}"#), Some((7, 8)));
        assert_eq!(ids("{}"), None);
        let line = |json: &str| serde_json::from_str::<RemoveFromCartInput>(json).unwrap().line().ok();
        assert_eq!(line(r#"{"productId": 7}"#), Some(7));
        assert_eq!(line(r#"{"productId": 7, "variantId": 8}"#), Some(8));
        assert_eq!(line("{}"), None);
    }

    #[test]
    fn adds_one_unit_by_default() {
        let input: AddToCartInput = serde_json::from_str(r#"{"product_id": 7}"#).unwrap();
        assert_eq!((input.product_id, input.quantity), (7, 1));
        assert!(serde_json::from_str::<AddToCartInput>(r#"{"productId": 7, "quantity": null}"#).is_err());
    }
}
