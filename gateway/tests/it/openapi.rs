//! The OpenAPI document is complete, and agrees with the routes.

use std::collections::HashSet;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::test_app::{SendRequest as _, TestApp};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    serde_json::to_value(bodega_gateway::openapi()).unwrap()
}

/// Every operation, with its path and method.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods =
        |item: &Value| METHODS.iter().filter_map(|method| Some((*method, item.get(method)?))).count();
    assert_eq!(
        paths.values().map(methods).sum::<usize>(),
        paths.values().map(|item| item.as_object().unwrap().len()).sum::<usize>(),
        "a path item has more than operations of these methods"
    );
    paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(|method| Some((path.as_str(), *method, item.get(method)?)))
        })
        .collect()
}

/// The path with an example value for each parameter.
fn example_of(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    path.split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => segment.to_owned(),
            Some(name) => {
                let parameter = parameters.iter().find(|it| it["name"] == name && it["in"] == "path");
                let schema =
                    &parameter.unwrap_or_else(|| panic!("{path} does not document {name}"))["schema"];
                match (&schema["type"], &schema["format"]) {
                    (kind, _) if *kind == json!("integer") => "7".to_owned(),
                    (_, format) if *format == json!("uuid") => Uuid::now_v7().to_string(),
                    _ => panic!("{path}: {name} is {schema}"),
                }
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_documented_operation_is_served() {
    let gateway = TestApp::start().await;
    let document = document();
    for (path, method, operation) in operations(&document) {
        let target = example_of(path, operation);
        let method: Method = method.to_uppercase().parse().unwrap();
        let request = gateway.request(method.clone(), &target).bearer_auth(gateway.identity.admin());
        let response = request.fetch().await;
        assert_ne!(response.status, 405, "{method} {path}");
        assert!(!response.text.contains("no_such_route"), "{method} {path}");
        assert!(!response.text.contains("in the path is not"), "{method} {target}: {response:?}");
    }
}

#[tokio::test]
async fn requires_a_token_exactly_where_the_document_says_so() {
    let gateway = TestApp::start().await;
    let document = document();
    for (path, method, operation) in operations(&document) {
        let schemes = operation["security"].as_array().cloned().unwrap_or_default();
        let needs_token = !schemes.is_empty() && !schemes.contains(&json!({}));
        let target = example_of(path, operation);
        let method: Method = method.to_uppercase().parse().unwrap();
        let response = gateway.request(method.clone(), &target).fetch().await;
        assert_eq!(response.status == 401, needs_token, "{method} {path}: {response:?}");
    }
}

#[test]
fn every_operation_has_an_id_a_tag_and_schemas() {
    let document = document();
    let mut ids = HashSet::new();
    let tags: HashSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{at}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id), "{at}: {id:?} is not unique");
        assert!(tags.contains(&operation["tags"][0]), "{at}");
        if let Some(body) = operation.get("requestBody") {
            let (_, content) = content_of(body);
            assert!(content.get("schema").is_some(), "{at}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{at}");
        for (status, response) in responses {
            assert!(!response["description"].as_str().unwrap().is_empty(), "{at} {status}");
            let media_type = match status.as_str() {
                "200" | "201" => "application/json",
                "202" | "204" | "304" => continue,
                _ => "application/problem+json",
            };
            assert!(response["content"][media_type].get("schema").is_some(), "{at} {status}");
        }
    }
}

/// Descriptions that do not mention the operation.
const MEANINGLESS: [&str; 4] = ["", "See `code`.", "Done.", "OK"];

#[test]
fn every_operation_is_described_with_its_statuses_and_examples() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.') && summary.len() > 10, "{at}: summary {summary:?}");
        let description = operation["description"].as_str().unwrap_or_default();
        assert!(description.len() > 10, "{at}: description {description:?}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let description = parameter["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{at}: parameter {parameter}");
        }
        if let Some(body) = operation.get("requestBody") {
            let (media_type, content) = content_of(body);
            let has_example = content.get("example").is_some() || media_type == "multipart/form-data";
            assert!(has_example, "{at}: the request has no example");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let description = response["description"].as_str().unwrap();
            assert!(!MEANINGLESS.contains(&description) && description.ends_with('.'), "{at} {status}");
            if let Some(content) = response["content"].get("application/json") {
                let example =
                    content.get("example").and_then(Value::as_object).is_some_and(|it| !it.is_empty())
                        || content.get("example").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
                assert!(example, "{at} {status}: the response has no example");
            }
            if status.starts_with(['4', '5']) {
                let media_types: Vec<_> = response["content"].as_object().unwrap().keys().collect();
                assert_eq!(media_types, ["application/problem+json"], "{at} {status}");
                assert!(description.contains('`'), "{at} {status} names no code: {description}");
            }
        }
    }
}

#[test]
fn every_schema_and_property_is_described() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        // The description of a composed schema is that of its part.
        let is_described = |schema: &Value| {
            schema["description"].is_string() || schema.get("$ref").is_some() || schema.get("oneOf").is_some()
        };
        assert!(is_described(schema) || schema.get("allOf").is_some(), "{name}");
        let parts = schema["allOf"].as_array().into_iter().flatten().chain([schema]);
        for (property, schema) in parts.filter_map(|part| part["properties"].as_object()).flatten() {
            assert!(is_described(schema), "{name}.{property}");
        }
    }
}

#[test]
fn aliases_and_tags_are_documented_as_the_routes_they_repeat() {
    let document = document();
    let paths = &document["paths"];
    for (alias, method, canonical) in [
        ("/auth/signup", "post", "/api/auth/register"),
        ("/auth/login", "post", "/api/auth/login"),
        ("/cart/add", "post", "/api/cart/add"),
        ("/orders", "post", "/api/orders"),
        ("/products/{id}", "delete", "/api/products/{id}"),
    ] {
        let (alias, canonical_operation) = (&paths[alias][method], &paths[canonical][method]);
        assert_eq!(alias["responses"], canonical_operation["responses"], "{canonical}");
        assert_eq!(alias["tags"], json!(["Legacy"]));
        let description = alias["description"].as_str().unwrap();
        assert!(description.starts_with(&format!("Alias of `{} {canonical}`.", method.to_uppercase())));
    }
    let tag = &paths["/api/tags/{id}"]["get"];
    assert_eq!((&tag["summary"], &tag["tags"]), (&json!("Returns a tag."), &json!(["Tags"])));
    let schema = &tag["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/TagWithProducts");
    assert!(!serde_json::to_string(&paths["/api/tags"]).unwrap().to_lowercase().contains("categor"));
}

/// The only media type of a body, with its content.
fn content_of(body: &Value) -> (&str, &Value) {
    let content = body["content"].as_object().unwrap();
    assert_eq!(content.len(), 1, "{body}");
    let (media_type, content) = content.iter().next().unwrap();
    assert!(["application/json", "multipart/form-data", "*/*"].contains(&media_type.as_str()), "{body}");
    (media_type, content)
}

#[test]
fn every_request_schema_has_an_example() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (path, method, operation) in operations(&document) {
        let Some(body) = operation.get("requestBody") else { continue };
        let (media_type, content) = content_of(body);
        // Files have no examples.
        if media_type == "multipart/form-data" || content.get("example").is_some() {
            continue;
        }
        let schema = &content["schema"];
        // An optional body is one of its schema and null.
        let schema = schema.get("oneOf").map_or(schema, |either| &either[0]);
        let name = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
        let schema = name.map_or(schema, |name| &schemas[name]);
        assert!(schema.get("example").is_some(), "{method} {path}: {schema}");
    }
}

#[test]
fn documents_the_files_and_problems_of_an_upload() {
    let document = document();
    let file = json!({"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"});
    for (path, method, field) in
        [("/api/products/{id}/images", "post", "images"), ("/api/users/me/avatar", "put", "image")]
    {
        let operation = &document["paths"][path][method];
        let schema = &operation["requestBody"]["content"]["multipart/form-data"]["schema"];
        let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["required"], json!([field]));
        let mut property = schema["properties"][field].clone();
        if property["type"] == "array" {
            assert_eq!(property["minItems"], 1);
            property = property["items"].clone();
        }
        for (keyword, value) in file.as_object().unwrap() {
            assert_eq!(property[keyword], *value, "{path}");
        }
        for status in ["400", "401", "408", "413", "415", "422", "503"] {
            assert!(operation["responses"].get(status).is_some(), "{path} {status}");
        }
    }
}

#[test]
fn documents_the_signature_and_raw_body_of_a_webhook() {
    let document = document();
    let operation = &document["paths"]["/api/webhooks/stripe"]["post"];
    let header = &operation["parameters"][0];
    assert_eq!((&header["name"], &header["in"]), (&json!("stripe-signature"), &json!("header")));
    assert_eq!(header["required"], true);
    assert!(operation["requestBody"]["content"].get("*/*").is_some());
    assert!(operation.get("security").is_none());
    let responses = operation["responses"].as_object().unwrap();
    let mut statuses: Vec<_> = responses.keys().map(String::as_str).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["200", "400", "404", "413", "503"]);
}

#[test]
fn documents_version_license_and_security_scheme() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn the_checked_in_document_is_up_to_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    if std::env::var_os("BODEGA_WRITE_OPENAPI").is_some() {
        let document = serde_json::to_string_pretty(&bodega_gateway::openapi()).unwrap();
        std::fs::write(file, document + "\n").unwrap();
    }
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    // Compared as values, since the order of the fields of an object has no meaning.
    let checked_in: Value = serde_json::from_str(&checked_in).unwrap_or_default();
    assert!(
        checked_in == document(),
        "the API has changed: run `BODEGA_WRITE_OPENAPI=1 cargo test -p bodega-gateway --test it openapi`"
    );
}
