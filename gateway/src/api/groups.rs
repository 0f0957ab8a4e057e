//! What categories and tags have in common: their lists, and the products they show.

use bodega_proto::catalog::v1::{self as pb, ListProductsRequest};
use bodega_runtime::page::MAX_LIMIT;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, Limit},
    json::Product,
    problem::Problem,
};

/// Pages of categories or tags.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupsQuery {
    /// Rows of a page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 100)]
    pub(super) limit: Limit,
    /// `nextCursor` of the page before.
    #[serde(default)]
    pub(super) cursor: String,
}

/// What to show with a category or tag.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupQuery {
    /// `products`: its products too.
    #[param(inline)]
    include: Option<Include>,
}

/// What may be shown with a category or tag.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Include {
    Products,
}

/// A category or tag, with its products where they were asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithProducts<T> {
    #[serde(flatten)]
    group: T,
    /// The newest 100, newest first. Only with `include=products`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    products: Option<Vec<Product>>,
    /// Where there are more: leads on as `cursor` of `/api/products`, with this category or tag and `limit=100`.
    #[serde(skip_serializing_if = "String::is_empty")]
    products_next_cursor: String,
}

/// Puts the products that `filter` finds to what `group` answers, where `query` asks for them.
pub(super) async fn with_products<T>(
    app: &App,
    query: &GroupQuery,
    group: impl Future<Output = Result<T, Problem>>,
    filter: ListProductsRequest,
) -> Result<Json<WithProducts<T>>, Problem> {
    let Some(Include::Products) = query.include else {
        let group = group.await?;
        return Ok(Json(WithProducts { group, products: None, products_next_cursor: String::new() }));
    };
    let mut catalog = app.catalog();
    let products = async {
        let request = ListProductsRequest { limit: MAX_LIMIT, ..filter };
        Ok(catalog.list_products(request).await?.into_inner())
    };
    let (group, page) = tokio::try_join!(group, products)?;
    Ok(Json(WithProducts {
        group,
        products: Some(page.products.into_iter().map(Product::from).collect()),
        products_next_cursor: page.next_cursor,
    }))
}

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
