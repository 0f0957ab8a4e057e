//! The JSON shapes of the surface at the root.

use bodega_proto::{cart::v1 as cart, catalog::v1 as catalog, order::v1 as order};
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    json::{Amount, AmountInput, Named, OrderStatus, Reference, Timestamp, currency_of, given, status_of},
    problem::Problem,
};

/// Something to buy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": 7, "name": "Coffee Mug", "price": 12.50, "description": "Holds 300 ml.", "quantity": 40,
    "category": {"id": 3, "name": "Kitchen"}, "imageUrl": "https://example.com/mug.jpg"
}))]
pub(crate) struct ClassicProduct {
    /// Its number.
    id: i32,
    /// At most 200 characters.
    name: String,
    /// Of one unit, in the shop's currency.
    price: Amount,
    /// May be empty.
    description: String,
    /// Units that can be bought now.
    quantity: i32,
    /// Null when it has none.
    #[schema(required)]
    category: Option<Named>,
    /// Null when there is none.
    #[schema(required)]
    image_url: Option<String>,
}

impl From<catalog::Product> for ClassicProduct {
    fn from(product: catalog::Product) -> Self {
        Self {
            id: product.id,
            name: product.name,
            price: Amount::new(product.price_minor, &product.currency),
            description: product.description,
            quantity: product.stock,
            category: product.category.map(Named::from),
            image_url: product.images.into_iter().next().map(|image| image.url),
        }
    }
}

/// A new product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Coffee Mug", "price": 12.50, "description": "Holds 300 ml.", "quantity": 40, "category": "Kitchen",
    "imageUrl": "https://example.com/mug.jpg"
}))]
pub(crate) struct ClassicProductInput {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Of one unit.
    price: AmountInput,
    /// None by default.
    #[serde(default)]
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// Units there are.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    quantity: i32,
    /// By id or by name; a name that is not there yet is made. None by default.
    #[serde(default)]
    category: Option<Reference>,
    /// http, https or a path on this host; none by default.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    image_url: Option<String>,
}

impl ClassicProductInput {
    /// As a new product.
    ///
    /// # Errors
    /// A problem that names `price` when it is no amount of `currency`.
    pub(crate) fn create(self, currency: Currency) -> Result<catalog::CreateProductRequest, Problem> {
        Ok(catalog::CreateProductRequest {
            name: self.name,
            description: self.description.unwrap_or_default(),
            price_minor: self.price.minor(currency, "price")?,
            stock: self.quantity,
            category: self.category.map(catalog::IdOrName::from),
            image_url: self.image_url.unwrap_or_default(),
            ..Default::default()
        })
    }
}

/// Changes of a product; what is not named stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"price": 9.99, "quantity": 60}))]
pub(crate) struct ClassicProductPatch {
    /// What it is called.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Of one unit, for carts and orders from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    price: Option<AmountInput>,
    /// May be empty.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 10_000)]
    description: Option<String>,
    /// Units there are now, whatever there were.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000_000)]
    quantity: Option<i32>,
    /// By id or by name; a name that is not there yet is made. Null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Reference>)]
    category: Option<Option<Reference>>,
    /// Null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2_000)]
    image_url: Option<Option<String>>,
}

impl ClassicProductPatch {
    /// As changes of the product `id`.
    ///
    /// # Errors
    /// A problem that names `price` when it is no amount of `currency`.
    pub(crate) fn update(
        self,
        id: i32,
        currency: Currency,
    ) -> Result<catalog::UpdateProductRequest, Problem> {
        let category = |named: Option<Reference>| named.map(catalog::IdOrName::from).unwrap_or_default();
        Ok(catalog::UpdateProductRequest {
            id,
            name: self.name,
            description: self.description,
            price_minor: self.price.map(|price| price.minor(currency, "price")).transpose()?,
            stock: self.quantity,
            category: self.category.map(category),
            image_url: self.image_url.map(Option::unwrap_or_default),
            ..Default::default()
        })
    }
}

/// What somebody means to buy, at the prices of now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "products": [{
        "productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2, "subtotal": 25.00,
        "imageUrl": "https://example.com/mug.jpg"
    }],
    "totalPrice": 25.00
}))]
pub(crate) struct ClassicCart {
    /// In the order they were added.
    products: Vec<ClassicCartLine>,
    /// The sum of the subtotals.
    total_price: Amount,
}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClassicCartLine {
    /// Which product.
    product_id: i32,
    /// As it is called now.
    name: String,
    /// Of one unit, now.
    price: Amount,
    /// How many.
    quantity: i32,
    /// Price times quantity.
    subtotal: Amount,
    /// Null when there is none.
    #[schema(required)]
    image_url: Option<String>,
}

impl ClassicCart {
    /// A cart in the currency of its lines; an empty one in that of the shop.
    pub(crate) fn new(cart: cart::Cart, shop: Currency) -> Self {
        let currency = currency_of(&cart, shop);
        let line = |item: cart::CartItem| ClassicCartLine {
            product_id: item.product_id,
            name: item.name,
            price: Amount::new(item.price_minor, &currency),
            quantity: item.quantity,
            subtotal: Amount::new(item.line_total_minor, &currency),
            image_url: Some(item.image_url).filter(|url| !url.is_empty()),
        };
        let total_price = Amount::new(cart.total_minor, &currency);
        Self { products: cart.items.into_iter().map(line).collect(), total_price }
    }
}

/// A cart that was ordered. Names and prices are those of the timestamp of the order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "orderId": "0197f0c5-b3d8-71e2-9d43-52b8f6a0c911", "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10",
    "products": [{"productId": 7, "name": "Coffee Mug", "price": 12.50, "quantity": 2}],
    "totalPrice": 25.00, "status": "pending",
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z"
}))]
pub(crate) struct ClassicOrder {
    /// UUIDv7.
    order_id: String,
    /// Whose, a UUID.
    user_id: String,
    /// What was ordered.
    products: Vec<ClassicOrderLine>,
    /// The sum over the products.
    total_price: Amount,
    /// Where it stands.
    status: OrderStatus,
    /// When it was placed.
    created_at: Timestamp,
    /// When it last moved.
    updated_at: Timestamp,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ClassicOrderLine {
    /// Which product.
    product_id: i32,
    /// What it was called.
    name: String,
    /// Of one unit.
    price: Amount,
    /// How many.
    quantity: i32,
}

impl TryFrom<order::Order> for ClassicOrder {
    type Error = Problem;

    fn try_from(order: order::Order) -> Result<Self, Problem> {
        let status = status_of(&order)?;
        let line = |item: order::OrderItem| ClassicOrderLine {
            product_id: item.product_id,
            name: item.name,
            price: Amount::new(item.price_minor, &order.currency),
            quantity: item.quantity,
        };
        Ok(Self {
            order_id: order.id,
            user_id: order.user_id,
            products: order.items.into_iter().map(line).collect(),
            total_price: Amount::new(order.total_minor, &order.currency),
            status,
            created_at: order.created_at.into(),
            updated_at: order.updated_at.into(),
        })
    }
}
