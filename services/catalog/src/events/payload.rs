//! The data of `product.changed`, version 1. The schema is in `services/shared/events/schemas`.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::products::product::Product;

/// The state of a product. The price is in minor units of its currency.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    product_id: i32,
    version: i64,
    name: String,
    description: String,
    price_minor: i64,
    currency: String,
    stock: i32,
    archived: bool,
    category: Option<IdAndName>,
    tags: Vec<IdAndName>,
    images: Vec<Image>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Serialize)]
struct IdAndName {
    id: i32,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    url: String,
    thumbnail_url: String,
}

pub(super) fn data(product: Product) -> Value {
    let category = product.category_id.zip(product.category_name);
    let tags = product.tags.0.into_iter().map(|tag| IdAndName { id: tag.id, name: tag.name });
    let images = product.images.0.into_iter();
    let data = Data {
        product_id: product.id,
        version: product.version,
        name: product.name,
        description: product.description,
        price_minor: product.price_minor,
        currency: product.currency,
        stock: product.stock,
        archived: product.archived,
        category: category.map(|(id, name)| IdAndName { id, name }),
        tags: tags.collect(),
        images: images.map(|image| Image { url: image.url, thumbnail_url: image.thumbnail_url }).collect(),
        created_at: product.created_at,
        updated_at: product.updated_at,
    };
    // Numbers, texts and times of this era only: this cannot fail.
    serde_json::to_value(data).unwrap_or_default()
}
