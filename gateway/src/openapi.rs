//! The OpenAPI 3.1 document: the documentation of the handlers, completed with the parts that all operations share.

use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, PathItem, Ref, RefOr, ResponseBuilder,
        path::{Operation, Paths},
        request_body::RequestBody,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{
    api::checkout::input::PlaceOrderInput,
    app::App,
    problem::{PROBLEM_JSON, Problem},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bodega",
        description = "The REST API of an online store: users, catalog, carts, orders and payments. `/api` is the API \
                       for new clients. The legacy API at the root serves existing clients.\n\nErrors are \
                       `application/problem+json` (RFC 9457); `code` identifies the kind of problem. Amounts are \
                       numbers in major units of the currency, for example 19.99.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem, PlaceOrderInput)),
    modifiers(&Bearer),
    tags(
        (name = "Authentication", description = "Registration, login, token refresh and sessions."),
        (name = "Profile", description = "The caller's own profile."),
        (name = "API keys", description = "Keys for machines, for admins."),
        (name = "Users", description = "User management, for admins."),
        (name = "Categories", description = "Categories of products. A product has at most one."),
        (name = "Tags", description = "Tags of products. A product has any number."),
        (name = "Products", description = "Products and their images."),
        (name = "Cart", description = "The cart of a user, or of a guest with an `X-Cart-Token`."),
        (name = "Orders", description = "Orders and their payments."),
        (name = "Settings", description = "Settings of the store, taxes, shipping zones and discounts, for admins."),
        (name = "Audit", description = "What admins and API keys have changed, and the security of accounts."),
        (name = "Operations", description = "Health checks, and the public keys of access tokens."),
        (name = "Legacy", description = "The API for existing clients, at the root."),
    )
)]
struct Base;

/// The parts of the document that do not belong to a route.
pub(crate) fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        let description = "The access token: `token` of a session. Or an API key, for operations with a scope: the key \
                           must have it. Other operations reject API keys (`insufficient_scope`).";
        scheme.description = Some(description.to_owned());
        let description = "The `accessToken` of a guest's order, which opens this order until it is claimed.";
        let order_token = ApiKey::Header(ApiKeyValue::with_description("X-Order-Token", description));
        let components = document.components.get_or_insert_default();
        let description = "The token of a guest's cart, from the guest's first `POST /api/cart/add`. Ignored with an access token.";
        let cart_token = ApiKey::Header(ApiKeyValue::with_description("X-Cart-Token", description));
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        components.add_security_scheme("cartToken", SecurityScheme::ApiKey(cart_token));
        components.add_security_scheme("orderToken", SecurityScheme::ApiKey(order_token));
    }
}

/// The same route at another path, documented as an alias in the legacy API.
pub(crate) fn alias(
    path: &str,
    (schemas, canonical, handlers): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    let mut paths = Paths::new();
    for (canonical_path, mut item) in canonical.paths {
        for (method, operation) in operations(&mut item) {
            let alias = format!("Alias of `{} {canonical_path}`.", method.to_uppercase());
            let description = operation.description.take().unwrap_or_default();
            operation.description = Some(format!("{alias} {description}"));
            operation.tags = Some(vec!["Legacy".to_owned()]);
        }
        paths.paths.insert(path.to_owned(), item);
    }
    (schemas, paths, handlers)
}

/// The routes of categories, with the documentation of tags.
pub(crate) fn tags_documentation(
    (schemas, paths, handlers): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    let words = [("categories", "tags"), ("category", "tag"), ("Categories", "Tags"), ("Category", "Tag")];
    let schemas = schemas.into_iter().filter(|(name, _)| name.contains("Category"));
    (replace(&schemas.collect::<Vec<_>>(), &words), replace(&paths, &words), handlers)
}

/// Replaces words in every string of a part of the document.
fn replace<T: serde::Serialize + serde::de::DeserializeOwned>(part: &T, words: &[(&str, &str)]) -> T {
    let json = serde_json::to_string(part).expect("OpenAPI is JSON");
    let json = words.iter().fold(json, |json, (from, to)| json.replace(from, to));
    serde_json::from_str(&json).expect("only words were replaced")
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("post", &mut item.post),
        ("put", &mut item.put),
        ("patch", &mut item.patch),
        ("delete", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds to every operation its id, the problems that all operations like it may return, and its examples; names the
/// schemas of pages.
pub(crate) fn complete(document: &mut utoipa::openapi::OpenApi) {
    let components = serde_json::to_value(&document.components).unwrap_or_default();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            add_problems(operation);
            add_examples(operation, &components["schemas"]);
        }
    }
    if let Some(components) = &mut document.components {
        let schemas = std::mem::take(&mut components.schemas).into_iter();
        components.schemas =
            schemas.map(|(name, schema)| (page_name(&name).unwrap_or(name), schema)).collect();
    }
}

/// Returns `putCartItemsProductId` for `PUT /api/cart/items/{productId}`.
fn operation_id(method: &str, path: &str) -> String {
    let (prefix, path) = match path.strip_prefix("/api/") {
        Some(path) => (None, path),
        // The prefix distinguishes `GET /products` from `GET /api/products`.
        None => (Some("root"), path),
    };
    let segments = path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut words = prefix.into_iter().chain([method]).chain(segments);
    let mut id = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn add_problems(operation: &mut Operation) {
    let mut problems = Vec::new();
    if operation.parameters.is_some() || operation.request_body.is_some() {
        problems.push(("400", malformed_description(operation)));
    }
    if let Some(RefOr::T(body)) = &operation.request_body {
        problems.extend(body_problems(body));
    }
    if operation.security.is_some() {
        problems.push((
            "401",
            "The access token is missing (`unauthenticated`), invalid (`invalid_token`) or expired (`expired_token`), or \
             its session has ended (`session_ended`).",
        ));
    }
    problems.push((
        "503",
        "The gateway or a service is overloaded (`overloaded`), a service is unavailable (`upstream_unavailable`), or it \
         did not respond in time (`timeout`). `Retry-After` says when to retry.",
    ));
    for (status, description) in problems {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status == "403" {
            response.description =
                "The caller is not an admin (`admin_only`), an admin has to enroll a second factor or \
                enter a code of it again (`second_factor_required`), or an API key lacks the scope \
                (`insufficient_scope`)."
                    .to_owned();
        }
        if status == "429" {
            let separator = if response.description.is_empty() { "" } else { " " };
            response.description.push_str(separator);
            response.description.push_str(RATE_LIMITED);
        }
        if status.starts_with(['4', '5']) {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            response.content = [(PROBLEM_JSON.to_owned(), content.into())].into_iter().collect();
        }
    }
}

/// Describes responses of routes with a rate limit.
const RATE_LIMITED: &str = "The client or the account exceeds a rate limit (`rate_limited`): `RateLimit-Policy` and \
     `RateLimit` name it, `Retry-After` says when to retry.";

fn malformed_description(operation: &Operation) -> &'static str {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let has_cursor = parameters
        .iter()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "cursor"));
    if has_cursor {
        "A parameter is malformed (`malformed_request`; `errors` names it), or the cursor is not one of this list \
         (`invalid_cursor`)."
    } else if operation.request_body.is_some() {
        "The JSON or a parameter is malformed (`malformed_request`); `errors` names it."
    } else {
        "A parameter is malformed (`malformed_request`); `errors` names it."
    }
}

/// The problems that any request with such a body may have.
fn body_problems(body: &RequestBody) -> &'static [(&'static str, &'static str)] {
    if body.content.contains_key("application/json") {
        &[
            ("413", "The body is too large (`too_large`)."),
            ("415", "The body is not `application/json` (`unsupported_media_type`)."),
            ("422", "A field is missing, unknown or invalid (`invalid_field`); `errors` names it."),
        ]
    } else if body.content.contains_key("multipart/form-data") {
        &[
            (
                "503",
                "The gateway is overloaded (`overloaded`), too many images are being processed (`image_worker_busy`), a \
                 service (`upstream_unavailable`) or the image storage (`storage_unavailable`) is unavailable, or it did \
                 not respond in time (`timeout`). `Retry-After` says when to retry.",
            ),
            ("408", "The body arrived too slowly, or the upload took too long (`request_timeout`)."),
            ("413", "The body (`too_large`) or an image (`image_too_large`) is too large."),
            (
                "415",
                "The body is not `multipart/form-data` (`unsupported_media_type`), or a file is not JPEG, PNG, WebP or \
                 GIF (`unsupported_image`).",
            ),
            (
                "422",
                "A field is missing or unknown (`invalid_field`), an image is damaged or has too many pixels \
                 (`invalid_image`), or there are too many images (`too_many_images`); `errors` names the field.",
            ),
        ]
    } else {
        &[("413", "The body is too large (`too_large`).")]
    }
}

/// Adds the example of its schema to each JSON body without one, and names the schema of a page.
fn add_examples(operation: &mut Operation, schemas: &Value) {
    let request = operation.request_body.iter_mut().filter_map(|body| match body {
        RefOr::T(body) => body.content.get_mut("application/json"),
        RefOr::Ref(_) => None,
    });
    let responses = operation.responses.responses.values_mut().filter_map(|response| match response {
        RefOr::T(response) => response.content.get_mut("application/json"),
        RefOr::Ref(_) => None,
    });
    for content in request.chain(responses) {
        let RefOr::T(content) = content else { continue };
        if content.example.is_none() {
            let schema = serde_json::to_value(&content.schema).unwrap_or_default();
            content.example = Some(example_of(&schema, schemas));
        }
        if let Some(RefOr::Ref(schema)) = &mut content.schema
            && let Some(name) = schema.ref_location.rsplit('/').next().and_then(page_name)
        {
            *schema = Ref::from_schema_name(name);
        }
    }
}

/// Returns `ProductPage` for `Page_Product`, utoipa's name of `Page<Product>`.
fn page_name(name: &str) -> Option<String> {
    Some(format!("{}Page", name.strip_prefix("Page_")?))
}

fn example_of(schema: &Value, schemas: &Value) -> Value {
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return example.clone();
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return example_of(&schemas[name], schemas);
    }
    if let Some(items) = schema.get("items") {
        return Value::Array(vec![example_of(items, schemas)]);
    }
    let mut object = serde_json::Map::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Value::Object(fields) = example_of(part, schemas) {
            object.extend(fields);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        object.insert(name.clone(), example_of(property, schemas));
    }
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_operations_by_method_and_path() {
        assert_eq!(operation_id("put", "/api/cart/items/{productId}"), "putCartItemsProductId");
        assert_eq!(operation_id("post", "/api/auth/logout-all"), "postAuthLogoutAll");
        assert_eq!(operation_id("get", "/products"), "rootGetProducts");
    }
}
