//! The OpenAPI document is true, and complete.

use std::collections::HashSet;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Answered as _, Shop};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn document() -> Value {
    serde_json::to_value(bodega_gateway::openapi()).unwrap()
}

/// Every operation: its path, its method and what the document says of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods =
        |item: &Value| METHODS.iter().filter_map(|method| Some((*method, item.get(method)?))).count();
    assert_eq!(
        paths.values().map(methods).sum::<usize>(),
        paths.values().map(|item| item.as_object().unwrap().len()).sum::<usize>(),
        "nothing but operations of these methods"
    );
    paths
        .iter()
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(|method| Some((path.as_str(), *method, item.get(method)?)))
        })
        .collect()
}

/// The path with something of the right form for each of its parameters.
fn example_of(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    path.split('/')
        .map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => segment.to_owned(),
            Some(name) => {
                let parameter = parameters.iter().find(|it| it["name"] == name && it["in"] == "path");
                let schema =
                    &parameter.unwrap_or_else(|| panic!("{path} does not say what {name} is"))["schema"];
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
async fn every_documented_operation_is_there() {
    let shop = Shop::open().await;
    let document = document();
    for (path, method, operation) in operations(&document) {
        let target = example_of(path, operation);
        let method: Method = method.to_uppercase().parse().unwrap();
        let request = shop.request(method.clone(), &target).bearer_auth(shop.identity.admin());
        let answer = request.answer().await;
        assert_ne!(answer.status, 405, "{method} {path}");
        assert!(!answer.text.contains("no_such_route"), "{method} {path}");
        assert!(!answer.text.contains("in the path is not"), "{method} {target}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_documented_as_guarded_is_guarded() {
    let shop = Shop::open().await;
    let document = document();
    for (path, method, operation) in operations(&document) {
        let ways = operation["security"].as_array().cloned().unwrap_or_default();
        let guarded = !ways.is_empty() && !ways.contains(&json!({}));
        let target = example_of(path, operation);
        let method: Method = method.to_uppercase().parse().unwrap();
        let answer = shop.request(method.clone(), &target).answer().await;
        assert_eq!(answer.status == 401, guarded, "{method} {path}: {answer:?}");
    }
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let mut ids = HashSet::new();
    let tags: HashSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone()).collect();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{at}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && ids.insert(id), "{at}: {id:?} is not its own");
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
                "204" | "304" => continue,
                _ => "application/problem+json",
            };
            assert!(response["content"][media_type].get("schema").is_some(), "{at} {status}");
        }
    }
}

/// The one media type that a body may have, and what is said of it.
fn content_of(body: &Value) -> (&str, &Value) {
    let content = body["content"].as_object().unwrap();
    assert_eq!(content.len(), 1, "{body}");
    let (media_type, content) = content.iter().next().unwrap();
    assert!(["application/json", "multipart/form-data", "*/*"].contains(&media_type.as_str()), "{body}");
    (media_type, content)
}

#[test]
fn every_shape_that_comes_in_has_an_example() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (path, method, operation) in operations(&document) {
        let Some(body) = operation.get("requestBody") else { continue };
        let (media_type, content) = content_of(body);
        // Nobody types a file in.
        if media_type == "multipart/form-data" || content.get("example").is_some() {
            continue;
        }
        let schema = &content["schema"];
        // A body that may be left out is one of its shape and null.
        let schema = schema.get("oneOf").map_or(schema, |either| &either[0]);
        let name = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
        let schema = name.map_or(schema, |name| &schemas[name]);
        assert!(schema.get("example").is_some(), "{method} {path}: {schema}");
    }
}

#[test]
fn an_upload_says_which_files_it_takes_and_how_it_is_refused() {
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
fn a_webhook_says_what_it_is_signed_with_and_that_anything_is_read() {
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
fn the_document_says_what_it_is_of() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[test]
fn the_checked_in_document_is_up_to_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    // As values: in what order an object has its fields is nobody's business.
    let checked_in: Value = serde_json::from_str(&checked_in).unwrap_or_default();
    assert!(
        checked_in == document(),
        "the API has changed: run `cargo run -- openapi > gateway/openapi.json`"
    );
}
