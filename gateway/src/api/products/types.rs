use bodega_proto::catalog::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::variants::types::Variant;
use crate::json::{Amount, Timestamp};

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": 7, "name": "Coffee Mug", "description": "Holds 300 ml.", "price": 12.50, "currency": "USD", "stock": 40,
    "category": {"id": 3, "name": "Kitchen"}, "tags": [{"id": 2, "name": "ceramic"}],
    "imageUrl": "/media/products/0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f.jpg",
    "images": [{
        "id": 11, "url": "/media/products/0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f.jpg",
        "thumbnailUrl": "/media/products/0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f-400.jpg"
    }],
    "createdAt": "2026-11-21T09:30:00.123456Z", "updatedAt": "2026-11-21T09:30:00.123456Z",
    "priceMax": 14.00, "options": ["Colour"],
    "variants": [
        {
            "id": 7, "sku": "MUG-W", "barcode": null, "name": "white", "options": {"Colour": "white"}, "price": 12.50,
            "compareAtPrice": null, "stock": 30, "available": true, "weight": 350, "requiresShipping": true,
            "taxClass": "standard", "imageId": null
        },
        {
            "id": 8, "sku": "MUG-R", "barcode": null, "name": "red", "options": {"Colour": "red"}, "price": 14.00,
            "compareAtPrice": 16.00, "stock": 10, "available": true, "weight": 350, "requiresShipping": true,
            "taxClass": "standard", "imageId": 11
        }
    ]
}))]
pub(crate) struct Product {
    /// Id of the product.
    pub(crate) id: i32,
    /// Name, at most 200 characters.
    pub(crate) name: String,
    /// Description, at most 10,000 characters; may be empty.
    pub(crate) description: String,
    /// Unit price in major units of the currency, for example 12.50. That of the cheapest variant.
    pub(crate) price: Amount,
    /// ISO 4217 code of the currency of the price.
    pub(crate) currency: String,
    /// Units in stock that can be ordered now. The sum of the variants.
    pub(crate) stock: i32,
    /// Category, or null when the product has none.
    #[schema(required)]
    pub(crate) category: Option<IdAndName>,
    /// Tags, ordered by name.
    pub(crate) tags: Vec<IdAndName>,
    /// URL of the first image, or null when the product has no image.
    #[schema(required)]
    pub(crate) image_url: Option<String>,
    /// Images in display order; the first is the main image.
    pub(crate) images: Vec<Image>,
    /// When the product was created.
    pub(crate) created_at: Timestamp,
    /// When the product was last edited. Changes of the stock by orders do not count.
    pub(crate) updated_at: Timestamp,
    /// Unit price of the most expensive variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) price_max: Option<Amount>,
    /// Names of the options that the variants differ in, at most 3. Empty if there is one variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) options: Option<Vec<String>>,
    /// Variants that can be ordered, in display order: at least one. In lists only with `include=variants`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) variants: Option<Vec<Variant>>,
}

impl From<pb::Product> for Product {
    fn from(product: pb::Product) -> Self {
        // 0 is from a catalog that knows no variants.
        let knows_variants = product.variant_count > 0;
        let price_max = product.price_max_minor.unwrap_or(product.price_minor);
        Self {
            price_max: knows_variants.then(|| Amount::new(price_max, &product.currency)),
            variants: knows_variants.then(|| Variant::all_of(&product)),
            options: knows_variants.then_some(product.option_names),
            id: product.id,
            name: product.name,
            description: product.description,
            price: Amount::new(product.price_minor, &product.currency),
            currency: product.currency,
            stock: product.stock,
            category: product.category.map(IdAndName::from),
            tags: product.tags.into_iter().map(IdAndName::from).collect(),
            image_url: product.images.first().map(|image| image.url.clone()),
            images: product.images.into_iter().map(Image::from).collect(),
            created_at: product.created_at.into(),
            updated_at: product.updated_at.into(),
        }
    }
}

impl Product {
    /// Converts a product of a list.
    pub(crate) fn without_variants(product: pb::Product) -> Self {
        Self { variants: None, ..product.into() }
    }
}

/// The category or a tag of a product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 3, "name": "Kitchen"}))]
pub(crate) struct IdAndName {
    /// Id of the category or tag.
    id: i32,
    /// Name of the category or tag.
    name: String,
}

impl From<pb::Category> for IdAndName {
    fn from(category: pb::Category) -> Self {
        Self { id: category.id, name: category.name }
    }
}

impl From<pb::Tag> for IdAndName {
    fn from(tag: pb::Tag) -> Self {
        Self { id: tag.id, name: tag.name }
    }
}

/// An image of a product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": 11, "url": "/media/products/0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f.jpg",
    "thumbnailUrl": "/media/products/0197f0c5-a1b2-7c3d-8e4f-5a6b7c8d9e0f-400.jpg"
}))]
pub(crate) struct Image {
    /// Id of the image.
    id: i64,
    /// URL of the image: absolute, or a path on this host.
    url: String,
    /// URL of the same image scaled to at most 400 pixels wide and high. Equals `url` for images on other hosts.
    thumbnail_url: String,
}

impl From<pb::Image> for Image {
    fn from(image: pb::Image) -> Self {
        Self { id: image.id, url: image.url, thumbnail_url: image.thumbnail_url }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_field_of_a_minimal_product() {
        let product = pb::Product {
            id: 7,
            name: "Mug".to_owned(),
            price_minor: 1250,
            currency: "USD".to_owned(),
            stock: 40,
            ..Default::default()
        };
        let json = serde_json::to_string(&Product::from(product)).unwrap();
        let epoch = "1970-01-01T00:00:00Z";
        assert_eq!(
            json,
            format!(
                r#"{{"id":7,"name":"Mug","description":"","price":12.50,"currency":"USD","stock":40,"category":null,"tags":[],"imageUrl":null,"images":[],"createdAt":"{epoch}","updatedAt":"{epoch}"}}"#
            )
        );
    }

    #[test]
    fn uses_the_first_image_as_image_url() {
        let image = |id| pb::Image {
            id,
            url: format!("/images/{id}.jpg"),
            thumbnail_url: format!("/images/{id}-400.jpg"),
        };
        let product = pb::Product {
            category: Some(pb::Category { id: 3, name: "Kitchen".to_owned(), product_count: 0 }),
            tags: vec![pb::Tag { id: 2, name: "ceramic".to_owned(), product_count: 0 }],
            images: vec![image(11), image(5)],
            ..Default::default()
        };
        let json = serde_json::to_value(Product::from(product)).unwrap();
        assert_eq!(json["imageUrl"], "/images/11.jpg");
        assert_eq!(
            json["images"][1],
            serde_json::json!({"id": 5, "url": "/images/5.jpg", "thumbnailUrl": "/images/5-400.jpg"})
        );
        assert_eq!(json["category"], serde_json::json!({"id": 3, "name": "Kitchen"}));
        assert_eq!(json["tags"], serde_json::json!([{"id": 2, "name": "ceramic"}]));
    }
}
