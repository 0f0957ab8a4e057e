//! `/api/categories` and `/api/tags`.
//!
//! Both have the same routes, handlers and documentation; [`Kind`] says which of the two a route serves. The
//! documentation here is that of categories, from which `openapi::tags_documentation` derives that of tags.

use axum::{Extension, extract::State};
use bodega_proto::catalog::v1::{
    self as pb, CreateCategoryRequest, CreateTagRequest, DeleteCategoryRequest, DeleteTagRequest,
    GetCategoryRequest, GetTagRequest, ListCategoriesRequest, ListProductsRequest, ListTagsRequest,
    UpdateCategoryRequest, UpdateTagRequest,
};
use bodega_runtime::page::MAX_LIMIT;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::products::types::Product,
    app::App,
    extract::{AdminOrKey, Json, Limit, Path, Query},
    json::{IdOrName, Page},
    problem::Problem,
    response::{Created, present},
};

/// What a route serves. The router sets it as an extension of the request.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Category,
    Tag,
}

/// A category with its number of products.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Category, example = json!({"id": 3, "name": "Kitchen", "productCount": 12}))]
pub(crate) struct CategoryOrTag {
    /// Id of the category.
    id: i32,
    /// Name of the category, unique, case-insensitive.
    name: String,
    /// Number of products that have this category.
    product_count: i64,
}

impl From<pb::Category> for CategoryOrTag {
    fn from(category: pb::Category) -> Self {
        Self { id: category.id, name: category.name, product_count: category.product_count }
    }
}

impl From<pb::Tag> for CategoryOrTag {
    fn from(tag: pb::Tag) -> Self {
        Self { id: tag.id, name: tag.name, product_count: tag.product_count }
    }
}

/// A category, with its products if the request includes them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CategoryWithProducts)]
pub(crate) struct WithProducts {
    #[serde(flatten)]
    category: CategoryOrTag,
    /// The newest 100 products, newest first. Only with `include=products`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    products: Option<Vec<Product>>,
    /// Pass it as `cursor` to `GET /api/products`, with this category as a filter and `limit=100`, to get the next
    /// products. Absent when there are no more.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(example = "eyJpZCI6N30")]
    products_next_cursor: String,
}

/// The name of a category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CategoryInput, example = json!({"name": "Kitchen"}))]
pub(crate) struct NameInput {
    /// Name of the category, unique, case-insensitive. `category_name` is accepted too.
    #[serde(alias = "category_name", alias = "tag_name")]
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 100)]
    limit: Limit,
    /// `nextCursor` of the previous page.
    #[serde(default)]
    cursor: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowQuery {
    /// `products` includes the products of the category.
    #[param(inline)]
    include: Option<Include>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Include {
    Products,
}

/// Lists categories.
///
/// Anyone may call it. Categories are ordered by id and have their number of products.
#[utoipa::path(
    get, path = "/api/categories", tag = "Categories", params(ListQuery),
    responses((status = OK, description = "A page of categories.", body = Page<CategoryOrTag>))
)]
pub(crate) async fn list(
    State(app): State<App>,
    Extension(kind): Extension<Kind>,
    Query(ListQuery { limit, cursor }): Query<ListQuery>,
) -> Result<Json<Page<CategoryOrTag>>, Problem> {
    let limit = limit.get();
    let (items, next_cursor) = match kind {
        Kind::Category => {
            let request = ListCategoriesRequest { limit, cursor };
            let page = app.catalog().list_categories(request).await?.into_inner();
            (page.categories.into_iter().map(CategoryOrTag::from).collect(), page.next_cursor)
        }
        Kind::Tag => {
            let page = app.catalog().list_tags(ListTagsRequest { limit, cursor }).await?.into_inner();
            (page.tags.into_iter().map(CategoryOrTag::from).collect(), page.next_cursor)
        }
    };
    Ok(Json(Page { items, next_cursor }))
}

/// Returns a category.
///
/// Anyone may call it. With `include=products` the category comes with its newest 100 products.
#[utoipa::path(
    get, path = "/api/categories/{id}", tag = "Categories",
    params(("id" = i32, Path, description = "Id of the category."), ShowQuery),
    responses(
        (status = OK, description = "The category.", body = WithProducts),
        (status = NOT_FOUND, description = "The category does not exist (`category_not_found`)."),
    )
)]
pub(crate) async fn show(
    State(app): State<App>,
    Extension(kind): Extension<Kind>,
    Path(id): Path<i32>,
    Query(query): Query<ShowQuery>,
) -> Result<Json<WithProducts>, Problem> {
    let find = async {
        let mut catalog = app.catalog();
        match kind {
            Kind::Category => {
                let response = catalog.get_category(GetCategoryRequest { id }).await?.into_inner();
                present(response.category).map(CategoryOrTag::from)
            }
            Kind::Tag => {
                let response = catalog.get_tag(GetTagRequest { id }).await?.into_inner();
                present(response.tag).map(CategoryOrTag::from)
            }
        }
    };
    let Some(Include::Products) = query.include else {
        let category = find.await?;
        return Ok(Json(WithProducts { category, products: None, products_next_cursor: String::new() }));
    };
    let filter = vec![IdOrName::Id(id).into()];
    let list = async {
        let request = ListProductsRequest { limit: MAX_LIMIT, omit_variants: true, ..Default::default() };
        let request = match kind {
            Kind::Category => ListProductsRequest { categories: filter, ..request },
            Kind::Tag => ListProductsRequest { tags: filter, ..request },
        };
        Ok(app.catalog().list_products(request).await?.into_inner())
    };
    let (category, page) = tokio::try_join!(find, list)?;
    Ok(Json(WithProducts {
        category,
        products: Some(page.products.into_iter().map(Product::without_variants).collect()),
        products_next_cursor: page.next_cursor,
    }))
}

/// Creates a category.
///
/// Requires an admin's access token.
#[utoipa::path(
    post, path = "/api/categories", tag = "Categories", request_body = NameInput, security(("bearer" = ["catalog:write"])),
    responses(
        (status = CREATED, description = "Category created.", body = CategoryOrTag,
            headers(("location" = String, description = "Path of the new category."))),
        (status = FORBIDDEN),
        (status = CONFLICT, description = "Another category has this name (`category_exists`)."),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    Extension(kind): Extension<Kind>,
    _: AdminOrKey,
    Json(NameInput { name }): Json<NameInput>,
) -> Result<Created<CategoryOrTag>, Problem> {
    let (path, created) = match kind {
        Kind::Category => {
            let response = app.catalog().create_category(CreateCategoryRequest { name }).await?.into_inner();
            ("/api/categories", CategoryOrTag::from(present(response.category)?))
        }
        Kind::Tag => {
            let response = app.catalog().create_tag(CreateTagRequest { name }).await?.into_inner();
            ("/api/tags", CategoryOrTag::from(present(response.tag)?))
        }
    };
    Ok(Created::at(format!("{path}/{}", created.id), created))
}

/// Renames a category.
///
/// Requires an admin's access token. PUT and PATCH do the same.
#[utoipa::path(
    method(put, patch), path = "/api/categories/{id}", tag = "Categories", request_body = NameInput,
    params(("id" = i32, Path, description = "Id of the category.")), security(("bearer" = ["catalog:write"])),
    responses(
        (status = OK, description = "The category after the change.", body = CategoryOrTag),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The category does not exist (`category_not_found`)."),
        (status = CONFLICT, description = "Another category has this name (`category_exists`)."),
    )
)]
pub(crate) async fn rename(
    State(app): State<App>,
    Extension(kind): Extension<Kind>,
    _: AdminOrKey,
    Path(id): Path<i32>,
    Json(NameInput { name }): Json<NameInput>,
) -> Result<Json<CategoryOrTag>, Problem> {
    let mut catalog = app.catalog();
    Ok(Json(match kind {
        Kind::Category => {
            let response = catalog.update_category(UpdateCategoryRequest { id, name }).await?.into_inner();
            present(response.category)?.into()
        }
        Kind::Tag => {
            let response = catalog.update_tag(UpdateTagRequest { id, name }).await?.into_inner();
            present(response.tag)?.into()
        }
    }))
}

/// Deletes a category.
///
/// Requires an admin's access token. Products that have the category remain, without it.
#[utoipa::path(
    delete, path = "/api/categories/{id}", tag = "Categories",
    params(("id" = i32, Path, description = "Id of the category.")), security(("bearer" = ["catalog:write"])),
    responses(
        (status = NO_CONTENT, description = "Category deleted. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "The category does not exist (`category_not_found`)."),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    Extension(kind): Extension<Kind>,
    _: AdminOrKey,
    Path(id): Path<i32>,
) -> Result<StatusCode, Problem> {
    match kind {
        Kind::Category => drop(app.catalog().delete_category(DeleteCategoryRequest { id }).await?),
        Kind::Tag => drop(app.catalog().delete_tag(DeleteTagRequest { id }).await?),
    }
    Ok(StatusCode::NO_CONTENT)
}
