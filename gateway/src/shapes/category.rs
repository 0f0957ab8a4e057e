//! Categories, and what names one.

use bodega_proto::catalog::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A group of products.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": 3, "name": "Kitchen", "productCount": 12}))]
pub(crate) struct Category {
    /// Its number.
    id: i32,
    /// Unique without regard to case.
    name: String,
    /// Products in it.
    product_count: i64,
}

impl From<pb::Category> for Category {
    fn from(category: pb::Category) -> Self {
        Self { id: category.id, name: category.name, product_count: category.product_count }
    }
}

/// A name for a category or tag.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Kitchen"}))]
pub(crate) struct NameInput {
    /// 1 to 100 characters, unique without regard to case. `category_name` and `tag_name` are accepted too.
    #[serde(alias = "category_name", alias = "tag_name")]
    pub(crate) name: String,
}
