//! Products as readers see them.

use bodega_proto::catalog::v1 as pb;
use bodega_runtime::timestamp;
use sqlx::types::Json;
use time::OffsetDateTime;

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
}

/// A tag of a product.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Tag {
    id: i32,
    name: String,
}

/// A picture of a product.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Image {
    id: i64,
    url: String,
    thumbnail_url: String,
}

impl From<Image> for pb::Image {
    fn from(Image { id, url, thumbnail_url }: Image) -> Self {
        Self { id, url, thumbnail_url }
    }
}

impl From<Product> for pb::Product {
    fn from(product: Product) -> Self {
        let category = product.category_id.zip(product.category_name);
        let tags = product.tags.0.into_iter();
        Self {
            id: product.id,
            name: product.name,
            description: product.description,
            price_minor: product.price_minor,
            currency: product.currency,
            stock: product.stock,
            category: category.map(|(id, name)| pb::Category { id, name, product_count: 0 }),
            tags: tags.map(|Tag { id, name }| pb::Tag { id, name, product_count: 0 }).collect(),
            images: product.images.0.into_iter().map(Into::into).collect(),
            version: product.version,
            archived: product.archived,
            created_at: Some(timestamp::to_proto(product.created_at)),
            updated_at: Some(timestamp::to_proto(product.updated_at)),
        }
    }
}
