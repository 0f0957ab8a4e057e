//! Invalid input for every route: the rejection names the field, and nothing changes.

mod ids;

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::request_bodies::{Input, inputs};
use crate::harness::{
    routes::{Access, routes},
    store::{Client, PASSWORD, Response, TestStore},
};

/// Number of concurrent requests.
const CONCURRENCY: usize = 8;

/// A store with one of everything, which must stay unchanged.
struct Fixture {
    store: TestStore,
    ada: Client,
    /// The ids for the placeholders in the paths of [`inputs`].
    ids: [(&'static str, String); 7],
}

impl Fixture {
    async fn create() -> Self {
        let store = TestStore::start().await;
        let admin = store.admin();
        let category = admin.post("/api/categories", json!({"name": "Kitchen"})).await.expect(201).json;
        let tag = admin.post("/api/tags", json!({"name": "blue"})).await.expect(201).json;
        let body = json!({"name": "Mug", "price": 19.99, "stock": 9, "categoryId": category["id"], "tagIds": [tag["id"]]});
        let product = admin.post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap();
        let ada = store.register("ada").await;
        let order = ada.buy(product, 1).await;
        ada.add_to_cart(product, 2).await.expect(200);
        let zone = json!({"name": "Germany", "places": [{"country": "DE"}], "methods": []});
        let zone = admin.post("/api/shipping-zones", zone).await.expect(201).json;
        let discount = json!({"title": "Sale", "class": "order", "percentOff": 10, "code": "SALE"});
        let discount = admin.post("/api/discounts", discount).await.expect(201).json;
        let ids = [
            ("{product}", product.to_string()),
            ("{category}", category["id"].to_string()),
            ("{tag}", tag["id"].to_string()),
            ("{user}", ada.id().to_owned()),
            ("{order}", order["id"].as_str().unwrap().to_owned()),
            ("{zone}", zone["id"].to_string()),
            ("{discount}", discount["id"].to_string()),
        ];
        Self { store, ada, ids }
    }

    /// Everything that is visible through the API.
    async fn visible_state(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for path in [
            "/api/products",
            "/api/categories",
            "/api/tags",
            "/api/users",
            "/api/admin/orders",
            "/api/settings",
            "/api/settings/tax",
            "/api/shipping-zones",
            "/api/discounts",
        ] {
            texts.push(self.store.admin().get(path).await.expect(200).text);
        }
        for path in ["/api/cart", "/api/orders", "/api/users/me", "/api/auth/sessions"] {
            texts.push(self.ada.get(path).await.expect(200).text);
        }
        texts
    }

    fn request(&self, input: &Input) -> RequestBuilder {
        let path = self.ids.iter().fold(input.path.to_owned(), |path, (name, id)| path.replace(name, id));
        let client = match input.access {
            Access::Admin => self.store.admin(),
            Access::Anyone => self.store.guest(),
            Access::User
            | Access::UserOrGuest
            | Access::Customer
            | Access::OrderCustomer
            | Access::OrderCustomerOrAdmin
            | Access::OwnerOrAdmin => &self.ada,
        };
        let request = client.request(input.method.parse().unwrap(), &path);
        // Required there.
        if path.ends_with("/refunds") { request.header("idempotency-key", "invalid") } else { request }
    }

    /// Sends all requests, and asserts that each is rejected and that nothing changed.
    async fn assert_rejected(&self, cases: Vec<Case>) {
        let before = self.visible_state().await;
        let guest = self.store.guest();
        let sent =
            cases.into_iter().map(async |case| (guest.send(case.request).await, case.what, case.expected));
        let mut responses = stream::iter(sent).buffer_unordered(CONCURRENCY);
        let mut failures = Vec::new();
        while let Some((response, what, (status, field))) = responses.next().await {
            if !is_rejected(&response, status, &field) {
                failures.push(format!("{what}: {response:?}, not {status} {field}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert_eq!(self.visible_state().await, before);
        self.store.verify().await;
    }
}

/// A request, its defect, and the expected status and field (empty if the error names none).
struct Case {
    request: RequestBuilder,
    what: String,
    expected: (u16, String),
}

/// Whether the response is a problem with this status that names this field, or a part of it.
fn is_rejected(response: &Response, status: u16, field: &str) -> bool {
    let named = response.error_fields();
    let names = |named: &&str| {
        named.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
    };
    response.status == status
        && response.header("content-type") == "application/problem+json"
        && if field.is_empty() { named.is_empty() } else { named.iter().any(names) }
}

/// A copy of a body with one field set.
fn with(body: &Value, field: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[field] = value;
    body
}

#[test]
fn covers_every_route_with_a_json_body() {
    let without_body = [
        ("POST", "/api/auth/logout"),
        ("POST", "/auth/logout"),
        ("POST", "/api/auth/logout-all"),
        ("POST", "/api/auth/email/resend"),
        ("POST", "/api/users/{}/password-reset"),
        ("POST", "/api/admin/mails/{}/resend"),
        ("POST", "/api/orders/{}/cancel"),
        ("POST", "/api/orders/{}/claim"),
        ("POST", "/api/orders/{}/payment"),
    ];
    // Not JSON: images and webhook events, which have tests of their own.
    let other_bodies = [
        ("POST", "/api/products/{}/images"),
        ("PUT", "/api/users/me/avatar"),
        ("POST", "/api/webhooks/stripe"),
    ];
    let plain = |path: &str| {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    let inputs: BTreeSet<_> = inputs().iter().map(|input| (input.method, plain(input.path))).collect();
    let expected: BTreeSet<_> = routes()
        .map(|(method, path, _)| (method, plain(path)))
        .filter(|(method, path)| {
            let has_no_body =
                ["GET", "DELETE"].contains(method) || without_body.contains(&(*method, path.as_str()));
            !has_no_body && !other_bodies.contains(&(*method, path.as_str()))
        })
        .collect();
    assert_eq!(inputs, expected);
}

#[tokio::test]
async fn rejects_bodies_that_are_not_json_objects() {
    let fixture = Fixture::create().await;
    let mut cases = Vec::new();
    for input in inputs() {
        let mut case = |what: &str, request: RequestBuilder, status, field: &str| {
            let what = format!("{} {} {what}", input.method, input.path);
            cases.push(Case { request, what, expected: (status, field.to_owned()) });
        };
        let json =
            |body: Vec<u8>| fixture.request(&input).header("content-type", "application/json").body(body);
        if !input.optional {
            case("without a body", fixture.request(&input), 415, "");
            case("an empty body", json(Vec::new()), 400, "body");
        }
        for body in ["{", "{'a': 1}", "{} {}", "\u{feff}{}", "nothing", "\0", "{\"a\": 1,}", "a=1"] {
            case(body, json(body.into()), 400, "body");
        }
        case("not UTF-8", json(b"{\"name\": \"\xff\"}".into()), 400, "body");
        let values: Vec<_> = input.body.as_object().unwrap().values().cloned().collect();
        for body in [json!([]), json!(values), json!(null), json!(7), json!("x"), json!(true)] {
            case(&body.to_string(), json(body.to_string().into()), 422, "body");
        }
        case("too large", json(format!("{{\"a\": \"{}\"}}", "x".repeat(300_000)).into()), 413, "");
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            let request =
                fixture.request(&input).header("content-type", media_type).body(input.body.to_string());
            case(media_type, request, 415, "");
        }
        let form =
            format!("--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n{}\r\n--x--\r\n", input.body);
        let request =
            fixture.request(&input).header("content-type", "multipart/form-data; boundary=x").body(form);
        case("multipart", request, 415, "");
    }
    fixture.assert_rejected(cases).await;
}

#[tokio::test]
async fn rejects_missing_unknown_and_duplicate_fields() {
    let fixture = Fixture::create().await;
    let mut cases = Vec::new();
    for input in inputs() {
        let mut case = |what: &str, body: String, field: &str| {
            let request = fixture.request(&input).header("content-type", "application/json").body(body);
            let what = format!("{} {} {what} {field}", input.method, input.path);
            cases.push(Case { request, what, expected: (422, field.to_owned()) });
        };
        for unknown in ["colour", "__proto__", "id"] {
            case("unknown", with(&input.body, unknown, json!(7)).to_string(), unknown);
        }
        for field in input.fields.iter().filter(|field| field.required) {
            let mut body = input.body.clone();
            body.as_object_mut().unwrap().remove(field.name);
            case("without", body.to_string(), field.name);
        }
        let (name, value) = input.body.as_object().unwrap().iter().next().unwrap();
        let rest = input.body.to_string();
        case("twice", format!("{{\"{name}\": {value}, {}", &rest[1..]), name);
    }
    fixture.assert_rejected(cases).await;
}

#[tokio::test]
async fn rejects_invalid_values_of_every_field() {
    let fixture = Fixture::create().await;
    let mut cases = Vec::new();
    for input in inputs() {
        for field in &input.fields {
            for value in field.invalid_values() {
                let body = with(&input.body, field.name, value.clone());
                let shown: String = value.to_string().chars().take(60).collect();
                let what = format!("{} {} {}: {shown}", input.method, input.path, field.name);
                let request = fixture.request(&input).json(&body);
                cases.push(Case { request, what, expected: (422, field.name.to_owned()) });
            }
        }
    }
    assert!(cases.len() > 800, "{}", cases.len());
    fixture.assert_rejected(cases).await;
}

#[tokio::test]
async fn rejects_or_ignores_invalid_headers() {
    let fixture = Fixture::create().await;
    let guest = fixture.store.guest();
    let login = json!({"login": "ada", "password": PASSWORD});
    for key in ["", "a b", "a\tb", &"k".repeat(256)] {
        let request = fixture.ada.request(Method::POST, "/api/orders").header("idempotency-key", key);
        guest.send(request).await.expect_field_error(400, "Idempotency-Key");
    }
    for token in ["x", &"A".repeat(43), &"A".repeat(5000)] {
        let bearer = guest.clone().with("x-cart-token", token);
        bearer.get("/api/cart").await.expect_problem(404, "cart_not_found");
        bearer.add_to_cart(1, 1).await.expect_problem(404, "cart_not_found");
        bearer.post("/api/auth/login", login.clone()).await.expect(200);
    }
    let request = guest.request(Method::GET, "/api/cart").header("x-cart-token", b"\xff".as_slice());
    guest.send(request).await.expect_field_error(400, "X-Cart-Token");
    assert_eq!(fixture.ada.get("/api/orders").await.expect(200).items().len(), 1);
    fixture.store.verify().await;
}
