//! What answers hold, to the last field.

use reqwest::Method;
use serde_json::Value;

use crate::harness::store::{Person, Response};

/// The fields of a user.
pub(crate) const USER: &str = "id name username email role avatarUrl avatarThumbnailUrl createdAt updatedAt";
/// The fields of a category or tag.
pub(crate) const GROUP: &str = "id name productCount";
/// The fields of a product.
pub(crate) const PRODUCT: &str =
    "id name description price currency stock category tags imageUrl images createdAt updatedAt";
/// The fields of a picture of a product.
pub(crate) const IMAGE: &str = "id url thumbnailUrl";
/// The fields of a cart.
pub(crate) const CART: &str = "products totalPrice currency count updatedAt";
/// The fields of a cart's line.
pub(crate) const CART_LINE: &str = "productId name price quantity lineTotal imageUrl available";
/// The fields of an order.
pub(crate) const ORDER: &str =
    "id userId products totalAmount currency status payment history createdAt updatedAt";
/// The fields of an order's line.
pub(crate) const ORDER_LINE: &str = "productId name price quantity lineTotal";

/// The fields of what a shopper pays by.
pub(crate) const INTENT: &str = "provider paymentIntentId clientSecret publishableKey status amount currency";

/// Fails unless `object` has these fields, separated by spaces, and no others.
#[track_caller]
pub(crate) fn assert_fields(object: &Value, expected: &str) {
    let found = object.as_object().unwrap_or_else(|| panic!("no object: {object}"));
    let mut found: Vec<_> = found.keys().map(String::as_str).collect();
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{object}");
}

/// What one field of each object holds.
pub(crate) fn pluck<'a>(objects: &'a [Value], field: &str) -> Vec<&'a Value> {
    objects.iter().map(|object| &object[field]).collect()
}

impl Response {
    /// The rows of a list: of a page, or of a plain array.
    #[track_caller]
    pub(crate) fn items(&self) -> &[Value] {
        let list = if self.json.is_array() { &self.json } else { &self.json["items"] };
        list.as_array().unwrap_or_else(|| panic!("no list: {self:?}"))
    }

    /// The same, if it refuses this field, and only this one.
    #[track_caller]
    pub(crate) fn expect_refused(self, status: u16, field: &str) -> Self {
        assert_eq!((self.status, self.refused_fields()), (status, vec![field]), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self
    }
}

impl Person {
    /// Posts without a body.
    pub(crate) async fn post_nothing(&self, path: &str) -> Response {
        self.send(self.request(Method::POST, path)).await
    }

    /// The units of each product in the cart, by product.
    pub(crate) async fn cart_lines(&self) -> Vec<(i64, i64)> {
        let cart = self.get("/api/cart").await.expect(200).json;
        let lines = cart["products"].as_array().unwrap().iter();
        let mut lines: Vec<_> = lines
            .map(|line| (line["productId"].as_i64().unwrap(), line["quantity"].as_i64().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    }

    /// Every row of a list on `/api`, page by page, as many rows a page as `limit` in `path` says.
    pub(crate) async fn all_pages(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}{cursor}")).await.expect(200);
            rows.extend_from_slice(page.items());
            let Some(next) = page.json["nextCursor"].as_str() else { return rows };
            assert!(!page.items().is_empty(), "a page that leads on has rows: {page:?}");
            cursor = format!("&cursor={next}");
        }
    }
}
