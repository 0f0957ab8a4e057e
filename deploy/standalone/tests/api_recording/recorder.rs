//! Sends requests to a store, and records each request and its response as text.

use bodega_order::OrderMail;
use bodega_stripe_double::StripeDouble;
use regex::Captures;
use reqwest::{Request, RequestBuilder};
use serde_json::{Value, json};

use super::text::{IGNORED_HEADERS, PATTERNS, USUAL_HEADERS, UUID, headers, placeholder, replace_values};
use crate::harness::{
    payments::PaymentTest,
    store::{Client, Response, TestStore},
};

/// The client that sends a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Anonymous,
    /// Has a cart token, with one mug in its cart.
    Guest,
    /// Sends an invalid access token.
    InvalidToken,
    User,
    OtherUser,
    Admin,
}

/// A store with a catalog and users, and its recorded requests and responses.
pub(super) struct Recorder {
    pub(super) test: PaymentTest,
    guest: Client,
    pub(super) user: Client,
    other_user: Client,
    /// The UUIDs so far, recorded as `<id 1>`, `<id 2>` and so on, in the order of their first appearance.
    ids: Vec<String>,
    /// The etags of all responses so far.
    etags: Vec<String>,
    text: String,
}

impl Recorder {
    /// Starts a store that accepts cards, with two categories, two tags and four products.
    pub(super) async fn start() -> Self {
        Self::with(PaymentTest::start_without_webhooks(&[]).await).await
    }

    /// Starts the same store, with mail.
    pub(super) async fn start_with_mail(mail: OrderMail) -> Self {
        Self::with(PaymentTest::start_with_mail(mail).await).await
    }

    async fn with(test: PaymentTest) -> Self {
        let admin = test.store.admin();
        for (path, names) in [("/api/categories", ["Kitchen", "Garden"]), ("/api/tags", ["blue", "new"])] {
            for name in names {
                admin.post(path, json!({"name": name})).await.expect(201);
            }
        }
        for product in [
            json!({"name": "Mug", "price": 19.99, "stock": 50, "description": "Holds tea.", "categoryId": 1,
                "tagIds": [1, 2], "imageUrl": "https://images.example/mug.jpg"}),
            json!({"name": "Bowl", "price": "5.00", "stock": 3, "categoryId": 1}),
            json!({"name": "Spade", "price": 35, "stock": 10, "categoryId": 2, "tagIds": [2]}),
            json!({"name": "Sold-out lamp", "price": 0.5, "stock": 0}),
        ] {
            admin.post("/api/products", product).await.expect(201);
        }
        let (user, other_user) = (test.store.register("ada").await, test.store.register("grace").await);
        let cart = test.store.guest().add_to_cart(1, 1).await.expect(200);
        let guest = test.store.guest().clone().with("x-cart-token", cart.header("x-cart-token"));
        Self { test, guest, user, other_user, ids: Vec::new(), etags: Vec::new(), text: String::new() }
    }

    pub(super) fn store(&self) -> &TestStore {
        &self.test.store
    }

    pub(super) fn stripe(&self) -> &StripeDouble {
        &self.test.stripe
    }

    pub(super) fn client(&self, role: Role) -> Client {
        let anonymous = self.store().guest();
        match role {
            Role::Anonymous => anonymous.clone(),
            Role::Guest => self.guest.clone(),
            Role::InvalidToken => anonymous.clone().with("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
            Role::User => self.user.clone(),
            Role::OtherUser => self.other_user.clone(),
            Role::Admin => self.store().admin().clone(),
        }
    }

    /// Makes this the client of [`Role::User`].
    pub(super) fn replace_user(&mut self, user: Client) {
        self.user = user;
    }

    /// A request to be changed and then [recorded](Self::record).
    pub(super) fn request(&self, role: Role, method: &str, path: &str) -> RequestBuilder {
        self.client(role).request(method.parse().unwrap(), path)
    }

    /// Sends a request without a body and records it.
    pub(super) async fn send(&mut self, role: Role, method: &str, path: &str) -> Response {
        let request = self.request(role, method, path);
        self.record(role, request).await
    }

    /// Sends a request with a JSON body and records it.
    pub(super) async fn send_json(&mut self, role: Role, method: &str, path: &str, body: Value) -> Response {
        let request = self.request(role, method, path).json(&body);
        self.record(role, request).await
    }

    /// Sends a request and records it with its response.
    pub(super) async fn record(&mut self, role: Role, request: RequestBuilder) -> Response {
        let (http, request) = request.build_split();
        let request = request.unwrap();
        self.write_request(role, &request);
        let response = self.store().guest().send(RequestBuilder::from_parts(http, request)).await;
        self.write_response(&response);
        response
    }

    /// Fills the cart of a user who has an empty one; returns a product that does not fit any more.
    pub(super) async fn fill_cart(&self, role: Role) -> i64 {
        let client = self.client(role);
        for line in 0..100 {
            let product = self.store().admin().create_product(&format!("Product {line}"), "1", 9).await;
            client.add_to_cart(product, 1).await.expect(200);
        }
        self.store().admin().create_product("One too many", "1", 9).await
    }

    /// Requests a file and records the status and headers of the response.
    pub(super) async fn send_file(&mut self, url: &str) {
        let request = self.request(Role::Anonymous, "GET", url);
        self.record(Role::Anonymous, request).await;
    }

    fn write_request(&mut self, role: Role, request: &Request) {
        let url = request.url();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut text = format!("### {role:?}: {} {}{query}\n", request.method(), url.path());
        for (name, value) in headers(request.headers()) {
            let is_shown = !["authorization", "content-length"].contains(&&*name)
                && (&*name, &*value) != ("content-type", "application/json")
                && !(name == "x-cart-token" && matches!(role, Role::Guest));
            if is_shown {
                let is_known = !value.starts_with('"') || self.etags.contains(&value);
                let placeholder = placeholder(&name).filter(|_| is_known);
                text += &format!("{name}: {}\n", placeholder.unwrap_or(&value));
            }
        }
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        if request.headers().contains_key("stripe-signature") {
            text += "(event)\n";
        } else if body.len() > 10_000 {
            text += &format!("({} bytes)\n", body.len());
        } else if !body.is_empty() && !text.contains("multipart/form-data") {
            text += &format!("{}\n", String::from_utf8_lossy(body));
        }
        self.write(&text);
    }

    fn write_response(&mut self, response: &Response) {
        let mut text = format!("{}\n", response.status);
        for (name, usual) in USUAL_HEADERS {
            if response.headers.get(name).is_none() {
                text += &format!("{name}: missing, usually {usual}\n");
            }
        }
        for (name, value) in headers(&response.headers) {
            let is_usual = USUAL_HEADERS.contains(&(&*name, &*value));
            if !is_usual && !IGNORED_HEADERS.contains(&&*name) {
                text += &format!("{name}: {}\n", placeholder(&name).unwrap_or(&value));
            }
            if name == "etag" {
                self.etags.push(value);
            }
        }
        if !response.headers.contains_key("x-request-id") {
            text += "x-request-id: missing\n";
        }
        if !response.json.is_null() {
            let mut json = response.json.clone();
            replace_values(&mut json);
            text += &match response.header("content-type") {
                "application/problem+json" => format!("{json}\n"),
                _ => format!("{json:#}\n"),
            };
        } else if !response.text.is_empty() {
            text += &format!("({})\n", if response.text.is_ascii() { "text" } else { "bytes" });
        }
        self.write(&text);
        self.text += "\n";
    }

    fn write(&mut self, text: &str) {
        let mut text = text.to_owned();
        for (pattern, placeholder) in &*PATTERNS {
            text = pattern.replace_all(&text, *placeholder).into_owned();
        }
        let ids = &mut self.ids;
        let text = UUID.replace_all(&text, |found: &Captures<'_>| {
            let position = ids.iter().position(|id| *id == found[0]).unwrap_or_else(|| {
                ids.push(found[0].to_owned());
                ids.len() - 1
            });
            format!("<id {}>", position + 1)
        });
        self.text += &text;
    }

    /// Compares all that was recorded with the snapshot of this name.
    pub(super) fn assert_unchanged(self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, self.text));
    }
}

/// A path without the names of its parameters.
pub(super) fn template(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
