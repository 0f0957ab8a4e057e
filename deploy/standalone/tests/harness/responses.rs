//! The fields of responses.

use reqwest::Method;
use serde_json::Value;

use crate::harness::store::{Client, Response};

/// The fields of a user.
pub(crate) const USER: &str =
    "id name username email emailVerified role avatarUrl avatarThumbnailUrl createdAt updatedAt";
/// The fields of a category or tag.
pub(crate) const CATEGORY_OR_TAG: &str = "id name productCount";
/// The fields of a product, apart from those about its variants.
pub(crate) const PRODUCT: &str =
    "id name description price currency stock category tags imageUrl images createdAt updatedAt";
/// The fields of a product in a list.
pub(crate) const LISTED_PRODUCT: &str = "id name description price currency stock category tags imageUrl images createdAt updatedAt \
     priceMax options";
/// The fields of a product with its variants.
pub(crate) const PRODUCT_WITH_VARIANTS: &str = "id name description price currency stock category tags imageUrl images createdAt \
     updatedAt priceMax options variants";
/// The fields of a variant.
pub(crate) const VARIANT: &str = "id sku barcode name options price compareAtPrice stock available weight requiresShipping \
     taxClass imageId";
/// The fields of a product's image.
pub(crate) const IMAGE: &str = "id url thumbnailUrl";
/// The fields of a cart.
pub(crate) const CART: &str = "products totalPrice currency count updatedAt";
/// The fields of a cart line.
pub(crate) const CART_LINE: &str =
    "productId name price quantity lineTotal imageUrl available variantId sku variantName";
/// The fields of an order.
pub(crate) const ORDER: &str = "id userId products totalAmount currency status payment history createdAt updatedAt \
     number subtotal discountTotal shippingTotal taxTotal taxes pricesIncludeTax discounts";
/// The fields of an order line.
pub(crate) const ORDER_LINE: &str = "productId name price quantity lineTotal variantId discount tax total";

/// The fields of a payment intent.
pub(crate) const INTENT: &str = "provider paymentIntentId clientSecret publishableKey status amount currency";

/// Asserts that `object` has exactly these fields, separated by spaces.
#[track_caller]
pub(crate) fn assert_fields(object: &Value, expected: &str) {
    let found = object.as_object().unwrap_or_else(|| panic!("no object: {object}"));
    let mut found: Vec<_> = found.keys().map(String::as_str).collect();
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{object}");
}

/// The value of a field in each object.
pub(crate) fn pluck<'a>(objects: &'a [Value], field: &str) -> Vec<&'a Value> {
    objects.iter().map(|object| &object[field]).collect()
}

impl Response {
    /// The items of a list: of a page, or of a plain array.
    #[track_caller]
    pub(crate) fn items(&self) -> &[Value] {
        let list = if self.json.is_array() { &self.json } else { &self.json["items"] };
        list.as_array().unwrap_or_else(|| panic!("no list: {self:?}"))
    }

    /// Asserts that this is a problem with this status that names this field only.
    #[track_caller]
    pub(crate) fn expect_field_error(self, status: u16, field: &str) -> Self {
        assert_eq!((self.status, self.error_fields()), (status, vec![field]), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self
    }
}

impl Client {
    /// Posts without a body.
    pub(crate) async fn post_empty(&self, path: &str) -> Response {
        self.send(self.request(Method::POST, path)).await
    }

    /// Product ids and quantities in the cart, sorted.
    pub(crate) async fn cart_lines(&self) -> Vec<(i64, i64)> {
        let cart = self.get("/api/cart").await.expect(200).json;
        let lines = cart["products"].as_array().unwrap().iter();
        let mut lines: Vec<_> = lines
            .map(|line| (line["productId"].as_i64().unwrap(), line["quantity"].as_i64().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    }

    /// All items of a list under `/api`, read page by page.
    pub(crate) async fn all_pages(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{cursor}")).await.expect(200);
            rows.extend_from_slice(page.items());
            let Some(next) = page.json["nextCursor"].as_str() else { return rows };
            assert!(!page.items().is_empty(), "a page with a next page has rows: {page:?}");
            cursor = format!("&cursor={next}");
        }
    }
}
