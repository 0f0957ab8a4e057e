//! Invalid and unknown ids, in paths and in cart lines.

use reqwest::{Method, multipart::Form};
use serde_json::json;

use super::{Case, Fixture};
use crate::harness::request_bodies::inputs;
use crate::harness::{
    images::{file, png},
    routes::routes,
};

/// Each path parameter of each route: method, route, name, and the path before and after it.
fn parameters() -> Vec<(&'static str, &'static str, &'static str, &'static str, &'static str)> {
    let mut parameters = Vec::new();
    for (method, route, _) in routes() {
        for (start, _) in route.match_indices('{') {
            let (before, rest) = route.split_at(start);
            let (name, after) = rest[1..].split_once('}').unwrap();
            parameters.push((method, route, name, before, after));
        }
    }
    parameters
}

#[tokio::test]
async fn rejects_invalid_ids_and_returns_404_for_unknown_ones() {
    let fixture = Fixture::create().await;
    let bodies = inputs();
    let long = "9".repeat(3000);
    let mut cases = Vec::new();
    for (method, route, parameter, before, after) in parameters() {
        let nouns = ["users", "sessions", "order", "payments", "api-keys", "mails"];
        let has_uuid = nouns.iter().any(|noun| before.contains(noun));
        let has_64_bits = parameter == "imageId" || before.contains("discounts");
        let unknown = if has_uuid {
            [
                "00000000-0000-0000-0000-000000000000",
                "0197F0C5-7D0E-7CC3-A3B5-6F1D2F1F7A10",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
            ]
        } else {
            ["0", "-1", "2147483647"]
        };
        let (above, below) = match has_64_bits {
            true => ("9223372036854775808", "-9223372036854775809"),
            false => ("2147483648", "-2147483649"),
        };
        let invalid = ["x", "1.5", above, below, "1%00", "%00", "%ff", "%201", "1%2f2", "%E2%80%AE", &long];
        let invalid = invalid.into_iter().map(|id| (id, 400, parameter));
        let prefix = format!("{before}{{");
        let input = bodies
            .iter()
            .find(|it| it.method == method && it.path.starts_with(&prefix) && it.path.ends_with(after));
        for (id, status, field) in invalid.chain(unknown.map(|id| (id, 404, ""))) {
            let path = format!("{before}{id}{after}");
            // The other parameters are valid.
            let path = path.replace("{id}", &fixture.ids[0].1).replace("{imageId}", "1");
            let mut request = fixture.store.admin().request(method.parse().unwrap(), &path);
            if after == "/refunds" {
                // Required there.
                request = request.header("idempotency-key", "invalid");
            }
            if let Some(input) = input {
                request = request.json(&input.body);
            } else if route == "/api/products/{id}/images" {
                request = request.multipart(Form::new().part("images", file(&png())));
            }
            cases.push(Case {
                request,
                what: format!("{method} {path}"),
                expected: (status, field.to_owned()),
            });
        }
    }
    fixture.assert_rejected(cases).await;
}

#[tokio::test]
async fn rejects_invalid_and_unknown_products_in_cart_lines() {
    let fixture = Fixture::create().await;
    let mut cases = Vec::new();
    for path in ["/api/cart/add", "/cart/add", "/cart", "/api/cart/remove", "/cart/remove"] {
        let unknown = [json!(0), json!(-1), json!(999), json!(i32::MAX)].map(|id| (id, 404, ""));
        let invalid =
            [json!(null), json!("1"), json!(1.5), json!([]), json!({}), json!(true), json!(1_i64 << 31)];
        for (id, status, field) in invalid.map(|id| (id, 422, "productId")).into_iter().chain(unknown) {
            let request = fixture.ada.request(Method::POST, path).json(&json!({"productId": id}));
            cases.push(Case { request, what: format!("{path} {id}"), expected: (status, field.to_owned()) });
        }
    }
    fixture.assert_rejected(cases).await;
}
