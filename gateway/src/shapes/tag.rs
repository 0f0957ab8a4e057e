//! Tags.

use bodega_proto::catalog::v1 as pb;
use serde::Serialize;
use utoipa::ToSchema;

/// A word that products are found by.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": 2, "name": "ceramic", "productCount": 12}))]
pub(crate) struct Tag {
    /// Its number.
    id: i32,
    /// Unique without regard to case.
    name: String,
    /// Products with it.
    product_count: i64,
}

impl From<pb::Tag> for Tag {
    fn from(tag: pb::Tag) -> Self {
        Self { id: tag.id, name: tag.name, product_count: tag.product_count }
    }
}
