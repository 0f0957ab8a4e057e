//! Products and pages of products from the cache, as finished bytes.
//!
//! Admins read from the catalog, so that they see each of their writes through any gateway.

use std::{fmt::Write as _, sync::Arc};

use axum::{body::Bytes, response::Response};
use bodega_proto::catalog::v1 as pb;
use bodega_runtime::product_cache::{self, CachedPage, CachedProduct};
use http::{HeaderValue, Uri};
use tonic::Status;

use super::{query::ProductQuery, types::Product, variants::types::Variant};
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

/// Begins the stock of a product or variant. Within a JSON text, quotes are escaped: this is the field.
const STOCK: &str = "\"stock\":";

/// The JSON of a product without its stock, which changes more often than the rest, and without the closing brace.
#[derive(Debug)]
pub(crate) struct ProductJson {
    before_stock: Box<str>,
    after_stock: Box<str>,
    /// The field `variants`, which follows. If there is one variant, up to its stock.
    variants: Box<str>,
    /// The rest of the only variant.
    after_variant_stock: Option<Box<str>>,
}

impl ProductJson {
    fn new(product: &pb::Product) -> Self {
        let mut product = Product::from(product.clone());
        let variants = product.variants.take();
        let json = to_json(&product).unwrap_or_default();
        let (before_stock, rest) = split_after_name(&json, json.find(STOCK));
        let after_stock = rest.strip_prefix(&product.stock.to_string()).unwrap_or_default();
        let (variants, after_variant_stock) =
            variants.map(|variants| variants_json(&variants)).unwrap_or_default();
        Self {
            before_stock: before_stock.into(),
            after_stock: after_stock.strip_suffix('}').unwrap_or_default().into(),
            variants,
            after_variant_stock,
        }
    }

    fn write(&self, stock: i32, with_variants: bool, json: &mut String) {
        // Writing to a string does not fail.
        let _ = write!(json, "{}{stock}{}", self.before_stock, self.after_stock);
        if with_variants {
            json.push_str(&self.variants);
            if let Some(after) = &self.after_variant_stock {
                let _ = write!(json, "{stock}{}{after}", available(stock));
            }
        }
        json.push('}');
    }

    fn len(&self, with_variants: bool) -> usize {
        const MAX_DIGITS: usize = 11;
        let product = self.before_stock.len() + MAX_DIGITS + self.after_stock.len() + 1;
        let after = self.after_variant_stock.as_ref();
        let only_variant = after.map_or(0, |after| MAX_DIGITS + available(0).len() + after.len());
        product + if with_variants { self.variants.len() + only_variant } else { 0 }
    }
}

/// The field that follows the stock of a variant.
fn available(stock: i32) -> &'static str {
    if stock > 0 { ",\"available\":true" } else { ",\"available\":false" }
}

/// Splits JSON after the name of a stock, which starts here.
fn split_after_name(json: &str, start: Option<usize>) -> (&str, &str) {
    start.map_or(("", ""), |start| json.split_at(start + STOCK.len()))
}

/// Returns the JSON of the field; that of the only variant without its stock.
fn variants_json(variants: &[Variant]) -> (Box<str>, Option<Box<str>>) {
    let json = format!(",\"variants\":{}", to_json(&variants).unwrap_or_else(|_| "[]".to_owned()));
    // The stock of several variants changes only together with all of their JSON.
    let [variant] = variants else { return (json.into(), None) };
    // The last one: an option may have this name too.
    let (before, rest) = split_after_name(&json, json.rfind(STOCK));
    let after = rest.strip_prefix(&format!("{}{}", variant.stock, available(variant.stock)));
    (before.into(), Some(after.unwrap_or_default().into()))
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
    let mut body = String::with_capacity(json.len(true));
    json.write(product.stock(), true, &mut body);
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
    uri: &Uri,
    products: &[CachedProduct<ProductJson>],
    response: &pb::ListProductsResponse,
) -> Result<RenderedPage, Problem> {
    let Query(query) = Query::<ProductQuery>::of(uri)?;
    let with_variants = query.includes_variants();
    let empty = Page::<Product> { items: Vec::new(), next_cursor: response.next_cursor.clone() };
    let empty = to_json(&empty)?;
    let items = "{\"items\":[";
    let rest = empty.strip_prefix(items).unwrap_or_default();
    let products: Vec<_> =
        products.iter().map(|product| (product.stock(), product.rendered(ProductJson::new))).collect();
    let length = products.iter().map(|(_, json)| json.len(with_variants) + 1).sum::<usize>();
    let mut body = String::with_capacity(items.len() + length + rest.len());
    body.push_str(items);
    for (index, (stock, json)) in products.into_iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        json.write(stock, with_variants, &mut body);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(product: &pb::Product, stock: i32, with_variants: bool) -> serde_json::Value {
        let (json, mut text) = (ProductJson::new(product), String::new());
        json.write(stock, with_variants, &mut text);
        assert!(text.len() <= json.len(with_variants));
        serde_json::from_str(&text).unwrap()
    }

    fn mug() -> pb::Product {
        let name = "\"stock\":7".to_owned();
        pb::Product {
            id: 1,
            name,
            stock: 7,
            variant_count: 1,
            currency: "EUR".to_owned(),
            ..pb::Product::default()
        }
    }

    #[test]
    fn writes_the_current_stock_of_a_product_and_its_only_variant() {
        let details = pb::Variant {
            id: 1,
            sku: "MUG".to_owned(),
            option_values: vec!["7".to_owned()],
            stock: Some(7),
            ..pb::Variant::default()
        };
        let option_names = vec!["stock".to_owned()];
        for product in [mug(), pb::Product { option_names, variants: vec![details], ..mug() }] {
            for stock in [7, 0, i32::MAX] {
                let json = written(&product, stock, true);
                assert_eq!((&json["stock"], &json["name"]), (&stock.into(), &"\"stock\":7".into()));
                let variant = &json["variants"][0];
                assert_eq!((&variant["stock"], &variant["available"]), (&stock.into(), &(stock > 0).into()));
                let without = written(&product, stock, false);
                assert_eq!((&without["stock"], without.get("variants")), (&stock.into(), None));
            }
        }
    }

    #[test]
    fn writes_several_variants_with_their_own_stock() {
        let variant = |id, stock| pb::Variant { id, stock: Some(stock), ..pb::Variant::default() };
        let variants = vec![variant(1, 7), variant(2, 0)];
        let json = written(&pb::Product { variants, variant_count: 2, ..mug() }, 7, true);
        let stocks: Vec<_> =
            json["variants"].as_array().unwrap().iter().map(|variant| variant["stock"].clone()).collect();
        assert_eq!(stocks, [7, 0]);
        assert_eq!(json["variants"][1]["available"], false);
    }
}
