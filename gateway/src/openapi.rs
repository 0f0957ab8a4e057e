//! The OpenAPI 3.1 document: what the routes say of themselves, and what is true of all of them.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, Ref, RefOr, ResponseBuilder,
        path::Operation,
        request_body::RequestBody,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    json::OrderInput,
    problem::{PROBLEM_JSON, Problem},
};

/// See [`base`].
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bodega",
        description = "A shop: accounts, catalogue, carts and orders. `/api` is the canonical surface; the classic \
                       one, at the root, is the same shop in the words of an older contract.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem, OrderInput)),
    modifiers(&Bearer),
    tags(
        (name = "Authentication", description = "Register, sign in, stay signed in, sign out."),
        (name = "Profile", description = "The caller's own account."),
        (name = "Users", description = "Every account, for admins."),
        (name = "Categories", description = "A product has at most one."),
        (name = "Tags", description = "A product has any number."),
        (name = "Products", description = "What the shop sells."),
        (name = "Cart", description = "A user's, or a guest's by `X-Cart-Token`."),
        (name = "Orders", description = "From cart to order, and what becomes of it."),
        (name = "Operations", description = "For operators, and for verifiers of access tokens."),
        (name = "Classic", description = "The surface at the root."),
    )
)]
struct Base;

/// What is not said by any route.
pub(crate) fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

/// The access token.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        scheme.description = Some("`token` of a session: register or log in.".to_owned());
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = crate::router::document();
    complete(&mut document);
    document
}

/// Gives every operation an id of its own, the problems that any like it may answer, and the media type of problems.
fn complete(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                operation.operation_id = Some(operation_id(method, path));
                complete_operation(operation);
            }
        }
    }
}

/// `putCartItemsProductId` for `PUT /api/cart/items/{productId}`; handlers of different resources have the same names.
fn operation_id(method: &str, path: &str) -> String {
    let (surface, path) = match path.strip_prefix("/api/") {
        Some(path) => (None, path),
        // What both surfaces have is the canonical one's by the plain name.
        None => (Some("root"), path),
    };
    let segments = path.split(|c: char| !c.is_ascii_alphanumeric());
    let mut words = surface.into_iter().chain([method]).chain(segments);
    let mut id = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn complete_operation(operation: &mut Operation) {
    let mut problems = vec![("503", "A service is down, or too slow.")];
    if operation.parameters.is_some() || operation.request_body.is_some() {
        problems.push(("400", "Malformed: the syntax, a path or a query parameter."));
    }
    if let Some(RefOr::T(body)) = &operation.request_body {
        problems.extend(problems_of(body));
    }
    if operation.security.is_some() {
        problems.push(("401", "No access token, or none that is good."));
    }
    for (status, description) in problems {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            response.description = description_of(status).to_owned();
        }
        if status.starts_with(['4', '5']) {
            let schema = Ref::from_schema_name("Problem");
            response.content.clear();
            response
                .content
                .insert(PROBLEM_JSON.to_owned(), ContentBuilder::new().schema(Some(schema)).build().into());
        }
    }
}

/// The problems that any body of its kind may have.
fn problems_of(body: &RequestBody) -> &'static [(&'static str, &'static str)] {
    if body.content.contains_key("application/json") {
        &[
            ("413", "The body is too large."),
            ("415", "The body is not JSON."),
            ("422", "A field is refused; `errors` names it."),
        ]
    } else if body.content.contains_key("multipart/form-data") {
        &[
            ("408", "The body does not come on, or takes too long."),
            ("413", "The body, or a picture, is too large."),
            ("415", "The body is no `multipart/form-data`, or a file is no JPEG, PNG, WebP or GIF."),
            ("422", "A field is refused, or a picture is damaged or has too many pixels; `errors` names it."),
        ]
    } else {
        &[("413", "The body is too large.")]
    }
}

fn description_of(status: &str) -> &'static str {
    match status {
        "200" => "Done.",
        "201" => "Made.",
        "204" => "Done; there is nothing to say.",
        "304" => "As it was.",
        "401" => "No access token, or none that is good.",
        "403" => "Only admins may do this.",
        "404" => "Not there, or not yours.",
        "409" => "At odds with how things stand; `code` says which.",
        "412" => "It has changed since.",
        "422" => "A field is refused; `errors` names it.",
        "429" => "Too much at once.",
        _ => "See `code`.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_by_method_and_path() {
        assert_eq!(operation_id("put", "/api/cart/items/{productId}"), "putCartItemsProductId");
        assert_eq!(operation_id("post", "/api/auth/logout-all"), "postAuthLogoutAll");
        assert_eq!(operation_id("get", "/products"), "rootGetProducts");
    }
}
