//! What categories and tags have in common: their lists, and the products they show.

use bodega_proto::catalog::v1::ListProductsRequest;
use bodega_runtime::page::MAX_LIMIT;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    extract::{Json, Limit},
    problem::Problem,
    shapes::Product,
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
