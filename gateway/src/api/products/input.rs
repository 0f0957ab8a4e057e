//! Products, as admins write them.

use bodega_proto::catalog::v1 as pb;
use bodega_runtime::money::Currency;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    json::{AmountInput, Reference, given},
    problem::Problem,
};

/// A whole product. Other spellings are accepted: `product_name`, `quantity` for `stock`, `category_id`, `tag_ids`,
/// `image_url`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Coffee Mug", "description": "Holds 300 ml.", "price": 12.50, "stock": 40, "categoryId": 3,
    "tagIds": [2], "imageUrl": "https://example.com/mug.jpg"
}))]
pub(crate) struct ProductInput {
    /// What it is called.
    #[serde(alias = "product_name")]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// None by default.
    #[serde(default)]
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// Of one unit.
    price: AmountInput,
    /// The shop's own, and so by default.
    #[serde(default)]
    #[schema(min_length = 3, max_length = 3, example = "USD")]
    currency: Option<String>,
    /// Units there are.
    #[serde(alias = "quantity")]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    stock: i32,
    /// None by default.
    #[serde(default, alias = "category_id")]
    #[schema(minimum = 1)]
    category_id: Option<i32>,
    /// None by default.
    #[serde(default, alias = "tag_ids")]
    #[schema(max_items = 50)]
    tag_ids: Option<Vec<i32>>,
    /// http, https or a path on this host; none by default.
    #[serde(default, alias = "image_url")]
    #[schema(max_length = 2_000)]
    image_url: Option<String>,
}

impl ProductInput {
    /// As a new product.
    ///
    /// # Errors
    /// A problem that names `price` when it is no amount of `currency`.
    pub(crate) fn create(self, currency: Currency) -> Result<pb::CreateProductRequest, Problem> {
        Ok(pb::CreateProductRequest {
            name: self.name,
            description: self.description.unwrap_or_default(),
            price_minor: self.price.minor(currency, "price")?,
            currency: self.currency.unwrap_or_default(),
            stock: self.stock,
            category: self.category_id.map(|id| Reference::Id(id).into()),
            tag_ids: self.tag_ids.unwrap_or_default(),
            image_url: self.image_url.unwrap_or_default(),
        })
    }

    /// As all that the product `id` is from now on.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub(crate) fn replace(self, id: i32, currency: Currency) -> Result<pb::UpdateProductRequest, Problem> {
        let whole = self.create(currency)?;
        Ok(pb::UpdateProductRequest {
            id,
            name: Some(whole.name),
            description: Some(whole.description),
            price_minor: Some(whole.price_minor),
            currency: Some(whole.currency).filter(|code| !code.is_empty()),
            stock: Some(whole.stock),
            category: Some(whole.category.unwrap_or_default()),
            tag_ids: Some(pb::TagIds { ids: whole.tag_ids }),
            image_url: Some(whole.image_url),
            expected_version: None,
        })
    }
}

/// Changes of a product; what is not named stays. Other spellings are accepted as for a whole product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"price": 9.99, "stock": 60, "categoryId": null}))]
pub(crate) struct ProductPatch {
    /// What it is called.
    #[serde(default, deserialize_with = "given", alias = "product_name")]
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// May be empty.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, max_length = 10_000)]
    description: Option<String>,
    /// Of one unit, for carts and orders from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    price: Option<AmountInput>,
    /// Must be the shop's own.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 3, max_length = 3, example = "USD")]
    currency: Option<String>,
    /// Units there are now, whatever there were.
    #[serde(default, deserialize_with = "given", alias = "quantity")]
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000_000)]
    stock: Option<i32>,
    /// Null for none.
    #[serde(default, deserialize_with = "given", alias = "category_id")]
    #[schema(value_type = Option<i32>, minimum = 1)]
    category_id: Option<Option<i32>>,
    /// Replace all that there were.
    #[serde(default, deserialize_with = "given", alias = "tag_ids")]
    #[schema(nullable = false, max_items = 50)]
    tag_ids: Option<Vec<i32>>,
    /// The picture to show, instead of the first; null removes that.
    #[serde(default, deserialize_with = "given", alias = "image_url")]
    #[schema(value_type = Option<String>, max_length = 2_000)]
    image_url: Option<Option<String>>,
}

impl ProductPatch {
    /// As changes of the product `id`.
    ///
    /// # Errors
    /// A problem that names `price` when it is no amount of `currency`.
    pub(crate) fn update(self, id: i32, currency: Currency) -> Result<pb::UpdateProductRequest, Problem> {
        let category = |id: Option<i32>| id.map(|id| Reference::Id(id).into()).unwrap_or_default();
        Ok(pb::UpdateProductRequest {
            id,
            name: self.name,
            description: self.description,
            price_minor: self.price.map(|price| price.minor(currency, "price")).transpose()?,
            currency: self.currency,
            stock: self.stock,
            category: self.category_id.map(category),
            tag_ids: self.tag_ids.map(|ids| pb::TagIds { ids }),
            image_url: self.image_url.map(Option::unwrap_or_default),
            expected_version: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    fn input(json: &str) -> serde_json::Result<ProductInput> {
        serde_json::from_str(json)
    }

    fn patch(json: &str) -> pb::UpdateProductRequest {
        serde_json::from_str::<ProductPatch>(json).unwrap().update(7, usd()).unwrap()
    }

    #[test]
    fn the_least_product_is_a_name_a_price_and_a_stock() {
        let request = input(r#"{"name": "Mug", "price": 12.5, "stock": 0}"#).unwrap().create(usd()).unwrap();
        let least =
            pb::CreateProductRequest { name: "Mug".to_owned(), price_minor: 1250, ..Default::default() };
        assert_eq!(request, least);
        for json in
            [r#"{"price": 1, "stock": 1}"#, r#"{"name": "", "stock": 1}"#, r#"{"name": "", "price": 1}"#]
        {
            assert!(input(json).unwrap_err().to_string().starts_with("missing field"), "{json}");
        }
    }

    #[test]
    fn other_spellings_say_the_same() {
        let camel = r#"{"name": "Mug", "price": "12.50", "stock": 4, "categoryId": 3, "tagIds": [1, 2], "imageUrl": "/a"}"#;
        let snake = r#"{"product_name": "Mug", "price": 12.50, "quantity": 4, "category_id": 3, "tag_ids": [1, 2], "image_url": "/a"}"#;
        let request = |json| input(json).unwrap().create(usd()).unwrap();
        assert_eq!(request(camel), request(snake));
        assert_eq!(request(camel).tag_ids, [1, 2]);
    }

    #[test]
    fn to_replace_leaves_nothing_as_it_was() {
        let request = input(r#"{"name": "Mug", "price": 1, "stock": 2}"#).unwrap().replace(7, usd()).unwrap();
        let expected = pb::UpdateProductRequest {
            id: 7,
            name: Some("Mug".to_owned()),
            description: Some(String::new()),
            price_minor: Some(100),
            currency: None,
            stock: Some(2),
            category: Some(pb::IdOrName::default()),
            tag_ids: Some(pb::TagIds::default()),
            image_url: Some(String::new()),
            expected_version: None,
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        assert_eq!(patch("{}"), pb::UpdateProductRequest { id: 7, ..Default::default() });
        let changes = patch(r#"{"price": 9.99, "quantity": 0, "tagIds": []}"#);
        let expected = pb::UpdateProductRequest {
            id: 7,
            price_minor: Some(999),
            stock: Some(0),
            tag_ids: Some(pb::TagIds::default()),
            ..Default::default()
        };
        assert_eq!(changes, expected);
    }

    #[test]
    fn a_null_takes_away_what_need_not_be_there() {
        let changes = patch(r#"{"categoryId": null, "imageUrl": null}"#);
        assert_eq!(changes.category, Some(pb::IdOrName::default()));
        assert_eq!(changes.image_url.as_deref(), Some(""));
        for field in ["name", "description", "price", "currency", "stock", "tagIds"] {
            assert!(
                serde_json::from_str::<ProductPatch>(&format!(r#"{{"{field}": null}}"#)).is_err(),
                "{field}"
            );
        }
    }

    #[test]
    fn a_price_is_exact_or_refused() {
        let create = |json| serde_json::to_value(input(json).unwrap().create(usd()).unwrap_err()).unwrap();
        let problem = create(r#"{"name": "Mug", "price": 12.505, "stock": 1}"#);
        assert_eq!((&problem["status"], &problem["errors"][0]["field"]), (&422.into(), &"price".into()));
    }
}
