use bodega_proto::catalog::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Deserializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    json::{AmountInput, IdOrName, partial_schema, provided, required},
    problem::Problem,
};

/// A product to create, or to replace an existing one with. `product_name`, `quantity` (for `stock`), `category_id`,
/// `tag_ids` and `image_url` are accepted as other names of the fields.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({
    "name": "Coffee Mug", "description": "Holds 300 ml.", "price": 12.50, "stock": 40, "categoryId": 3,
    "tagIds": [2], "imageUrl": "https://example.com/mug.jpg"
}))]
pub(crate) struct ProductInput {
    /// Name of the product.
    #[serde(default, deserialize_with = "provided", alias = "product_name")]
    #[schema(required, nullable = false, min_length = 1, max_length = 200)]
    pub(crate) name: Option<String>,
    /// Description of the product; may be empty.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    pub(crate) description: Option<Option<String>>,
    /// Unit price in major units of the currency, for example 19.99. A change applies to carts and new orders.
    #[serde(default, deserialize_with = "provided")]
    #[schema(required, nullable = false)]
    pub(crate) price: Option<AmountInput>,
    /// ISO 4217 code. Must be the currency of the store.
    #[serde(default, deserialize_with = "provided")]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 3, example = "USD")]
    pub(crate) currency: Option<Option<String>>,
    /// Units in stock. Replaces the current number.
    #[serde(default, deserialize_with = "provided", alias = "quantity")]
    #[schema(required, nullable = false, minimum = 0, maximum = 1_000_000_000)]
    pub(crate) stock: Option<i32>,
    /// Id of the category, or null for no category.
    #[serde(default, rename = "categoryId", deserialize_with = "provided_id", alias = "category_id")]
    #[schema(value_type = Option<i32>, minimum = 1)]
    pub(crate) category: Option<Option<IdOrName>>,
    /// Ids of all tags of the product.
    #[serde(default, deserialize_with = "provided", alias = "tag_ids")]
    #[schema(value_type = Option<Vec<i32>>, max_items = 50)]
    pub(crate) tag_ids: Option<Option<Vec<i32>>>,
    /// URL of the main image: http, https or a path on this host. It replaces the first image; null removes that.
    #[serde(default, deserialize_with = "provided", alias = "image_url")]
    #[schema(value_type = Option<String>, max_length = 2_000)]
    pub(crate) image_url: Option<Option<String>>,
}

fn provided_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<IdOrName>>, D::Error> {
    Ok(Some(Option::<i32>::deserialize(deserializer)?.map(IdOrName::Id)))
}

impl ProductInput {
    /// Converts the product of a POST. `currency` is that of the store.
    ///
    /// # Errors
    /// 422 `invalid_field` for a missing field and for a price that is not an amount of `currency`.
    pub(crate) fn into_create(self, currency: Currency) -> Result<pb::CreateProductRequest, Problem> {
        let name = required("name", self.name)?;
        let price = required("price", self.price)?;
        let stock = required("stock", self.stock)?;
        Ok(pb::CreateProductRequest {
            name,
            description: self.description.flatten().unwrap_or_default(),
            price_minor: price.minor(currency, "price")?,
            currency: self.currency.flatten().unwrap_or_default(),
            stock,
            category: self.category.flatten().map(pb::IdOrName::from),
            tag_ids: self.tag_ids.flatten().unwrap_or_default(),
            image_url: self.image_url.flatten().unwrap_or_default(),
        })
    }

    /// Converts the product of a PUT, which replaces every field of the product `id`.
    ///
    /// # Errors
    /// As [`Self::into_create`].
    pub(crate) fn into_replace(
        self,
        id: i32,
        currency: Currency,
    ) -> Result<pb::UpdateProductRequest, Problem> {
        let product = self.into_create(currency)?;
        Ok(pb::UpdateProductRequest {
            id,
            name: Some(product.name),
            description: Some(product.description),
            price_minor: Some(product.price_minor),
            currency: Some(product.currency).filter(|code| !code.is_empty()),
            stock: Some(product.stock),
            category: Some(product.category.unwrap_or_default()),
            tag_ids: Some(pb::TagIds { ids: product.tag_ids }),
            image_url: Some(product.image_url),
            expected_version: None,
        })
    }
}

/// The fields of a product that a PATCH changes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct ProductPatch(pub(crate) ProductInput);

impl ProductPatch {
    /// Converts the changes of the product `id`.
    ///
    /// # Errors
    /// 422 `invalid_field` for a field that must not be null and for a price that is not an amount of `currency`.
    pub(crate) fn into_update(
        self,
        id: i32,
        currency: Currency,
    ) -> Result<pb::UpdateProductRequest, Problem> {
        let Self(input) = self;
        let category = |category: Option<IdOrName>| category.map(pb::IdOrName::from).unwrap_or_default();
        Ok(pb::UpdateProductRequest {
            id,
            name: input.name,
            description: not_null("description", input.description)?,
            price_minor: input.price.map(|price| price.minor(currency, "price")).transpose()?,
            currency: not_null("currency", input.currency)?,
            stock: input.stock,
            category: input.category.map(category),
            tag_ids: not_null("tagIds", input.tag_ids)?.map(|ids| pb::TagIds { ids }),
            image_url: input.image_url.map(Option::unwrap_or_default),
            expected_version: None,
        })
    }
}

impl PartialSchema for ProductPatch {
    fn schema() -> RefOr<Schema> {
        partial_schema(
            ProductInput::schema(),
            "Changes of a product. Absent fields stay unchanged.",
            &["description", "currency", "tagIds"],
        )
    }
}

impl ToSchema for ProductPatch {}

/// # Errors
/// 422 `invalid_field` when the field is null.
fn not_null<T>(field: &str, value: Option<Option<T>>) -> Result<Option<T>, Problem> {
    value.map(|value| value.ok_or_else(|| Problem::invalid(field, "must not be null"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    fn create(json: &str) -> Result<pb::CreateProductRequest, serde_json::Value> {
        let input: ProductInput = serde_json::from_str(json).unwrap();
        input.into_create(usd()).map_err(|problem| serde_json::to_value(problem).unwrap())
    }

    fn patch(json: &str) -> Result<pb::UpdateProductRequest, String> {
        let patch: ProductPatch = serde_json::from_str(json).map_err(|error| error.to_string())?;
        patch.into_update(7, usd()).map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn requires_a_name_a_price_and_a_stock() {
        let request = create(r#"{"name": "Mug", "price": 12.5, "stock": 0}"#).unwrap();
        let expected =
            pb::CreateProductRequest { name: "Mug".to_owned(), price_minor: 1250, ..Default::default() };
        assert_eq!(request, expected);
        for (json, field) in [
            (r#"{"price": 1, "stock": 1}"#, "name"),
            (r#"{"name": "", "stock": 1}"#, "price"),
            (r#"{"name": "", "price": 1}"#, "stock"),
        ] {
            let problem = create(json).unwrap_err();
            let error = serde_json::json!({"field": field, "message": "is required"});
            assert_eq!((&problem["status"], &problem["errors"][0]), (&422.into(), &error), "{json}");
        }
    }

    #[test]
    fn accepts_other_names_of_the_fields() {
        let camel = r#"{"name": "Mug", "price": "12.50", "stock": 4, "categoryId": 3, "tagIds": [1, 2], "imageUrl": "/a"}"#;
        let snake = r#"{"product_name": "Mug", "price": 12.50, "quantity": 4, "category_id": 3, "tag_ids": [1, 2], "image_url": "/a"}"#;
        assert_eq!(create(camel).unwrap(), create(snake).unwrap());
        assert_eq!(create(camel).unwrap().tag_ids, [1, 2]);
    }

    #[test]
    fn accepts_null_for_optional_fields_of_a_whole_product() {
        let json = r#"{"name": "Mug", "price": 1, "stock": 2, "description": null, "currency": null,
            "categoryId": null, "tagIds": null, "imageUrl": null}"#;
        assert_eq!(create(json).unwrap(), create(r#"{"name": "Mug", "price": 1, "stock": 2}"#).unwrap());
    }

    #[test]
    fn put_replaces_every_field() {
        let input: ProductInput = serde_json::from_str(r#"{"name": "Mug", "price": 1, "stock": 2}"#).unwrap();
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
        assert_eq!(input.into_replace(7, usd()).unwrap(), expected);
    }

    #[test]
    fn patch_changes_only_provided_fields() {
        assert_eq!(patch("{}").unwrap(), pb::UpdateProductRequest { id: 7, ..Default::default() });
        let changes = patch(r#"{"price": 9.99, "quantity": 0, "tagIds": []}"#).unwrap();
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
    fn patch_with_null_clears_nullable_fields_and_is_rejected_for_others() {
        let changes = patch(r#"{"categoryId": null, "imageUrl": null}"#).unwrap();
        assert_eq!(changes.category, Some(pb::IdOrName::default()));
        assert_eq!(changes.image_url.as_deref(), Some(""));
        for field in ["name", "description", "price", "currency", "stock", "tagIds"] {
            assert!(patch(&format!(r#"{{"{field}": null}}"#)).is_err(), "{field}");
        }
    }

    #[test]
    fn rejects_a_price_with_too_many_decimals() {
        let problem = create(r#"{"name": "Mug", "price": 12.505, "stock": 1}"#).unwrap_err();
        assert_eq!((&problem["status"], &problem["errors"][0]["field"]), (&422.into(), &"price".into()));
    }
}
