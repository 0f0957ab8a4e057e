//! Products and pages of products from the cache, as finished bytes.
//!
//! Admins read from the catalog, so that they see each of their writes through any gateway.

use std::{fmt::Write as _, sync::Arc};

use axum::{body::Bytes, response::Response};
use bodega_proto::catalog::v1 as pb;
use bodega_runtime::product_cache::{self, CachedPage, CachedProduct};
use http::{HeaderValue, Uri};
use tonic::Status;

use super::{query::ProductQuery, types::Product};
use crate::{
    app::App,
    etag::EntityTag,
    extract::{IfNoneMatch, IsAdmin, Query},
    json::Page,
    link,
    problem::Problem,
};

/// The cache of products and pages.
pub(crate) type ProductCache = product_cache::ProductCache<ProductJson, RenderedPage>;

/// The JSON of a product without its stock, which changes more often than the rest.
#[derive(Debug)]
pub(crate) struct ProductJson {
    before_stock: Box<str>,
    after_stock: Box<str>,
}

impl ProductJson {
    fn new(product: &pb::Product) -> Self {
        let stock = product.stock.to_string();
        let json = to_json(&Product::from(product.clone())).unwrap_or_default();
        // Within a JSON text, quotes are escaped: this is the field.
        let field = "\"stock\":";
        let (before, after) = json.split_once(field).unwrap_or_default();
        Self {
            before_stock: format!("{before}{field}").into(),
            after_stock: after.strip_prefix(&stock).unwrap_or_default().into(),
        }
    }

    fn write(&self, stock: i32, json: &mut String) {
        json.push_str(&self.before_stock);
        // Writing to a string does not fail.
        let _ = write!(json, "{stock}");
        json.push_str(&self.after_stock);
    }

    fn len(&self) -> usize {
        const MAX_DIGITS: usize = 11;
        self.before_stock.len() + MAX_DIGITS + self.after_stock.len()
    }
}

/// A page as it is sent.
#[derive(Debug)]
pub(crate) struct RenderedPage {
    pub(crate) body: Bytes,
    pub(crate) tag: EntityTag,
    pub(crate) link: Option<HeaderValue>,
}

impl RenderedPage {
    fn new(body: String, link: Option<HeaderValue>) -> Self {
        let tag = EntityTag::of_bytes(body.as_bytes(), link.as_ref().map_or(&[], HeaderValue::as_bytes));
        Self { body: body.into(), tag, link }
    }

    fn weight(&self) -> usize {
        self.body.len() + self.link.as_ref().map_or(0, HeaderValue::len)
    }
}

/// Renders the products of a page, and the response without them.
type Render =
    fn(&Uri, &[CachedProduct<ProductJson>], &pb::ListProductsResponse) -> Result<RenderedPage, Problem>;

/// Responds with the JSON of a product that is sold.
pub(super) async fn show(
    app: &App,
    id: i32,
    is_admin: IsAdmin,
    if_none_match: &IfNoneMatch,
) -> Result<Response, Problem> {
    let product = get(app, id, is_admin).await?;
    let json = product.rendered(ProductJson::new);
    let mut body = String::with_capacity(json.len());
    json.write(product.stock(), &mut body);
    Ok(if_none_match.respond_json(&EntityTag::of_version(product.version()), None, body.into()))
}

/// Returns a product that is sold.
pub(crate) async fn get(
    app: &App,
    id: i32,
    is_admin: IsAdmin,
) -> Result<CachedProduct<ProductJson>, Problem> {
    Ok(match is_admin {
        IsAdmin(true) => app.products().read(id).await?,
        IsAdmin(false) => app.products().get(id).await?,
    })
}

/// Responds with a page of products.
pub(crate) async fn list(
    app: &App,
    uri: &Uri,
    IsAdmin(is_admin): IsAdmin,
    if_none_match: &IfNoneMatch,
    render: Render,
) -> Result<Response, Problem> {
    let respond =
        |page: &RenderedPage| if_none_match.respond_json(&page.tag, page.link.as_ref(), page.body.clone());
    let cache = app.products();
    // With the path, because each API has its own rendering.
    let key = uri.path_and_query().map_or("/", |path_and_query| path_and_query.as_str());
    let cached = if is_admin { None } else { cache.page(key).await };
    let page = match cached {
        Some(CachedPage::Rendered(page)) => return Ok(respond(&page)),
        Some(CachedPage::Products(page)) => page,
        None => {
            let Query(query) = Query::<ProductQuery>::of(uri)?;
            let request = query.into_request(app.currency())?;
            let page = if is_admin { cache.read_list(request).await } else { cache.list(key, request).await };
            page.map_err(list_problem)?
        }
    };
    let rendered = Arc::new(render(uri, &page.products, &page.response)?);
    if !is_admin {
        cache.set_rendered(key, &page, rendered.clone(), rendered.weight());
    }
    Ok(respond(&rendered))
}

fn list_problem(status: Status) -> Problem {
    Problem::from(status).renaming("categories", "category").renaming("tags", "tag").of_query()
}

/// Renders a [`Page`] of products.
pub(super) fn render(
    _: &Uri,
    products: &[CachedProduct<ProductJson>],
    response: &pb::ListProductsResponse,
) -> Result<RenderedPage, Problem> {
    let empty = Page::<Product> { items: Vec::new(), next_cursor: response.next_cursor.clone() };
    let empty = to_json(&empty)?;
    let items = "{\"items\":[";
    let rest = empty.strip_prefix(items).unwrap_or_default();
    let products: Vec<_> =
        products.iter().map(|product| (product.stock(), product.rendered(ProductJson::new))).collect();
    let length = products.iter().map(|(_, json)| json.len() + 1).sum::<usize>();
    let mut body = String::with_capacity(items.len() + length + rest.len());
    body.push_str(items);
    for (index, (stock, json)) in products.into_iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        json.write(stock, &mut body);
    }
    body.push_str(rest);
    Ok(RenderedPage::new(body, None))
}

/// Renders an array of products, with a `Link` to the next page.
pub(crate) fn render_array<T: From<Product> + serde::Serialize>(
    uri: &Uri,
    products: &[CachedProduct<ProductJson>],
    response: &pb::ListProductsResponse,
) -> Result<RenderedPage, Problem> {
    let items: Vec<_> = products.iter().map(|product| T::from(Product::from(product.to_product()))).collect();
    Ok(RenderedPage::new(to_json(&items)?, link::next(uri, &response.next_cursor)))
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| {
        tracing::error!("cannot serialize products: {error}");
        Problem::internal()
    })
}
