//! A product as it is read, created and updated: the types, their validation, and their conversion to protobuf.

use bodega_proto::catalog::v1::{self as pb, CreateProductRequest, UpdateProductRequest};
use bodega_runtime::{money::Currency, status::Violations, timestamp};
use serde_json::{Value, json};
use sqlx::types::Json;
use time::OffsetDateTime;

use super::image_url;
use crate::{categories_and_tags::IdOrName, text};

const MAX_NAME_CHARS: usize = 200;
const MAX_DESCRIPTION_CHARS: usize = 10_000;
const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;
const MAX_STOCK: i32 = 1_000_000_000;
const MAX_TAGS: usize = 50;

/// A row of the view `catalog.product_view`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Product {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) stock: i32,
    pub(crate) version: i64,
    pub(crate) archived: bool,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) category_id: Option<i32>,
    pub(crate) category_name: Option<String>,
    pub(crate) tags: Json<Vec<Tag>>,
    pub(crate) images: Json<Vec<Image>>,
    /// `None` if all variants have the same price.
    pub(crate) price_max_minor: Option<i64>,
    pub(crate) option_names: Vec<String>,
    pub(crate) variant_count: i32,
    /// Empty if the only variant has no details of its own.
    pub(crate) variants: Json<Vec<ProductVariant>>,
}

impl Product {
    /// The state that audit events contain.
    pub(crate) fn audited(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "priceMinor": self.price_minor,
            "currency": self.currency,
            "stock": self.stock,
            "category": self.category_id,
            "tags": self.tags.iter().map(|tag| tag.id).collect::<Vec<_>>(),
            "images": self.images.iter().map(|image| &image.url).collect::<Vec<_>>(),
        })
    }
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Tag {
    pub(crate) id: i32,
    pub(crate) name: String,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Image {
    pub(crate) id: i64,
    pub(crate) url: String,
    pub(crate) thumbnail_url: String,
}

/// A variant as the views have it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct ProductVariant {
    id: i32,
    product_id: i32,
    sku: Option<String>,
    barcode: Option<String>,
    option_values: Vec<String>,
    price_minor: i64,
    compare_at_minor: Option<i64>,
    stock: i32,
    weight_grams: i32,
    requires_shipping: bool,
    tax_class: String,
    image_id: Option<i64>,
}

impl From<ProductVariant> for pb::Variant {
    fn from(variant: ProductVariant) -> Self {
        Self {
            id: variant.id,
            product_id: variant.product_id,
            sku: variant.sku.unwrap_or_default(),
            barcode: variant.barcode.unwrap_or_default(),
            option_values: variant.option_values,
            price_minor: variant.price_minor,
            compare_at_minor: variant.compare_at_minor,
            stock: Some(variant.stock),
            weight_grams: variant.weight_grams,
            is_digital: !variant.requires_shipping,
            tax_class: variant.tax_class,
            image_id: variant.image_id.unwrap_or_default(),
        }
    }
}

impl From<Product> for pb::Product {
    fn from(product: Product) -> Self {
        let category = product.category_id.zip(product.category_name);
        let tags = product.tags.0.into_iter();
        let images = product.images.0.into_iter();
        Self {
            id: product.id,
            name: product.name,
            description: product.description,
            price_minor: product.price_minor,
            currency: product.currency,
            stock: product.stock,
            category: category.map(|(id, name)| pb::Category { id, name, product_count: 0 }),
            tags: tags.map(|Tag { id, name }| pb::Tag { id, name, product_count: 0 }).collect(),
            images: images
                .map(|Image { id, url, thumbnail_url }| pb::Image { id, url, thumbnail_url })
                .collect(),
            version: product.version,
            archived: product.archived,
            created_at: Some(timestamp::to_proto(product.created_at)),
            updated_at: Some(timestamp::to_proto(product.updated_at)),
            price_max_minor: product.price_max_minor,
            option_names: product.option_names,
            variant_count: product.variant_count,
            variants: product.variants.0.into_iter().map(Into::into).collect(),
        }
    }
}

/// A product to create. Limits are those of the protobuf message `CreateProductRequest`.
#[derive(Clone, Debug, Default)]
pub struct NewProduct {
    /// 1 to 200 characters.
    pub name: String,
    /// At most 10,000 characters.
    pub description: String,
    /// Price of one unit, in minor units of the store's currency; 0 to 1,000,000,000,000.
    pub price_minor: i64,
    /// Units in stock; 0 to 1,000,000,000.
    pub stock: i32,
    /// An existing category, if any.
    pub category_id: Option<i32>,
    /// Existing tags, without duplicates.
    pub tag_ids: Vec<i32>,
    /// URL of the first image, if any.
    pub image_url: Option<String>,
    /// Names of the options that the variants differ in.
    pub option_names: Vec<String>,
    /// Variants, of which the first has the price and the stock of the product; empty for one without details.
    pub variants: Vec<NewVariant>,
}

/// A variant of a product to create. Limits are those of the protobuf message `Variant`.
#[derive(Clone, Debug, Default)]
pub struct NewVariant {
    /// Stock-keeping unit; may be empty.
    pub sku: String,
    /// A value for each option.
    pub option_values: Vec<String>,
    /// Price of one unit, in minor units of the store's currency.
    pub price_minor: i64,
    /// Units in stock.
    pub stock: i32,
    /// Weight of one unit in grams.
    pub weight_grams: i32,
}

impl NewProduct {
    /// Validates a request in a store with this currency. The category is returned separately, because it may have
    /// to be created; `category_id` is `None`.
    ///
    /// # Errors
    /// All invalid fields.
    pub(crate) fn parse(
        request: CreateProductRequest,
        currency: Currency,
    ) -> Result<(Self, Option<IdOrName>), Violations> {
        let mut violations = Violations::new();
        if !request.currency.is_empty() {
            check_currency(&request.currency, currency, &mut violations);
        }
        let price_minor = check_price(request.price_minor, &mut violations);
        let stock = check_stock(request.stock, &mut violations);
        let name = parse_name(&request.name, &mut violations);
        let description = parse_description(&request.description, &mut violations);
        let category =
            request.category.and_then(|category| IdOrName::parse(category, "category", &mut violations));
        let product = Self {
            name,
            description,
            price_minor,
            stock,
            category_id: None,
            tag_ids: parse_tag_ids(request.tag_ids, &mut violations),
            image_url: image_url::parse(request.image_url, &mut violations),
            option_names: Vec::new(),
            variants: Vec::new(),
        };
        violations.finish()?;
        Ok((product, category))
    }
}

/// Changes of a product; `None` leaves a field unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProductUpdate {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) price_minor: Option<i64>,
    pub(crate) stock: Option<i32>,
    /// `Some(None)` removes the category.
    pub(crate) category_id: Option<Option<i32>>,
    /// Replaces all tags. Without duplicates.
    pub(crate) tag_ids: Option<Vec<i32>>,
    /// Replaces the first image; `Some(None)` removes it.
    pub(crate) image_url: Option<Option<String>>,
}

impl ProductUpdate {
    /// Validates a request in a store with this currency. As in [`NewProduct::parse`], the category is returned
    /// separately, and `category_id` is `None`; `Some(None)` removes the category.
    ///
    /// # Errors
    /// All invalid fields.
    pub(crate) fn parse(
        request: UpdateProductRequest,
        currency: Currency,
    ) -> Result<(Self, Option<Option<IdOrName>>), Violations> {
        let mut violations = Violations::new();
        if let Some(requested) = &request.currency {
            check_currency(requested, currency, &mut violations);
        }
        let price_minor = request.price_minor.map(|price| check_price(price, &mut violations));
        let stock = request.stock.map(|stock| check_stock(stock, &mut violations));
        let name = request.name.map(|name| parse_name(&name, &mut violations));
        let description = request.description.map(|text| parse_description(&text, &mut violations));
        let category =
            request.category.map(|category| IdOrName::parse(category, "category", &mut violations));
        let update = Self {
            name,
            description,
            price_minor,
            stock,
            category_id: None,
            tag_ids: request.tag_ids.map(|tags| parse_tag_ids(tags.ids, &mut violations)),
            image_url: request.image_url.map(|url| image_url::parse(url, &mut violations)),
        };
        violations.finish()?;
        Ok((update, category))
    }
}

fn parse_name(name: &str, violations: &mut Violations) -> String {
    text::single_line(name, MAX_NAME_CHARS, "name", violations)
}

fn parse_description(description: &str, violations: &mut Violations) -> String {
    text::multi_line(description, MAX_DESCRIPTION_CHARS, "description", violations)
}

fn check_currency(requested: &str, currency: Currency, violations: &mut Violations) {
    let message = format!("must be {currency}, the currency of the store");
    violations.require(requested == currency.code(), "currency", message);
}

fn check_price(price_minor: i64, violations: &mut Violations) -> i64 {
    let message = format!("must be between 0 and {MAX_PRICE_MINOR} minor units");
    violations.require((0..=MAX_PRICE_MINOR).contains(&price_minor), "price_minor", message);
    price_minor
}

fn check_stock(stock: i32, violations: &mut Violations) -> i32 {
    let message = format!("must be between 0 and {MAX_STOCK}");
    violations.require((0..=MAX_STOCK).contains(&stock), "stock", message);
    stock
}

fn parse_tag_ids(mut tag_ids: Vec<i32>, violations: &mut Violations) -> Vec<i32> {
    let message = format!("must have at most {MAX_TAGS} entries");
    violations.require(tag_ids.len() <= MAX_TAGS, "tag_ids", message);
    tag_ids.sort_unstable();
    tag_ids.dedup();
    tag_ids
}
