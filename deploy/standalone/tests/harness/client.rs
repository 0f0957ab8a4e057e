//! HTTP clients of a store.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use crate::harness::store::PASSWORD;

/// Maximum time of all attempts of a request.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// A client, anonymous or signed in.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    headers: HeaderMap,
    session: Value,
}

impl Client {
    /// An anonymous client of the store at this URL.
    pub(crate) fn at(url: &str) -> Self {
        let http = reqwest::Client::new();
        Self { http, url: url.to_owned(), headers: HeaderMap::new(), session: Value::Null }
    }

    /// Sends requests from this local address.
    pub(crate) fn with_local_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.http = reqwest::Client::builder().local_address(address.into()).build().unwrap();
        self
    }

    /// Signs in with the session that register or login returned.
    pub(crate) fn signed_in(mut self, session: Value) -> Self {
        let token = session["token"].as_str().expect("a session has a token").to_owned();
        self.session = session;
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header to all requests.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        self
    }

    /// Signs in with [`PASSWORD`], by email or username.
    pub(crate) async fn sign_in(&self, login: &str) -> Self {
        let body = json!({"login": login, "password": PASSWORD});
        let session = self.post("/api/auth/login", body).await.expect(200).json;
        self.clone().signed_in(session)
    }

    /// The session that register or login returned: `user`, `token`, `refreshToken` and so on.
    pub(crate) fn session(&self) -> &Value {
        &self.session
    }

    /// The user's id.
    pub(crate) fn id(&self) -> &str {
        self.session["user"]["id"].as_str().expect("a signed-in client has an id")
    }

    /// The access token.
    pub(crate) fn token(&self) -> &str {
        self.session["token"].as_str().expect("a signed-in client has a token")
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// A request of this client, to be changed and then [sent](Client::send).
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path)).headers(self.headers.clone())
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let request = request.build().unwrap();
        let what = format!("{} {}", request.method(), request.url().path());
        let response = self.http.execute(request).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Response { what, status, headers, text, json }
    }

    /// Whether all services are available.
    pub(crate) async fn reaches_all_services(&self) -> bool {
        let response = self.request(Method::GET, "/status").send().await;
        let Ok(response) = response else { return false };
        response.json::<serde_json::Value>().await.is_ok_and(|status| status["status"] == "ok")
    }

    /// Waits up to a minute until all services are available.
    pub(crate) async fn wait_for_all_services(&self) {
        let available = async {
            while !self.reaches_all_services().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), available)
            .await
            .expect("all services are available in time");
    }

    /// Creates a product; returns its id.
    pub(crate) async fn create_product(&self, name: &str, price: &str, stock: u32) -> i64 {
        let body = json!({"name": name, "price": price, "stock": stock});
        self.post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap()
    }

    /// Units of a product in stock.
    pub(crate) async fn stock_of(&self, product: i64) -> i64 {
        self.get(&format!("/api/products/{product}")).await.expect(200).json["stock"].as_i64().unwrap()
    }

    pub(crate) async fn add_to_cart(&self, product: i64, quantity: u32) -> Response {
        self.post("/api/cart/add", json!({"productId": product, "quantity": quantity})).await
    }

    /// Places an order from the cart.
    pub(crate) async fn place_order(&self) -> Response {
        self.send(self.request(Method::POST, "/api/orders")).await
    }

    /// Places an order from the cart, with an idempotency key.
    pub(crate) async fn place_order_with_key(&self, key: &str) -> Response {
        self.send(self.request(Method::POST, "/api/orders").header("idempotency-key", key)).await
    }

    /// Adds a line to the cart and places an order; returns the order.
    pub(crate) async fn buy(&self, product: i64, quantity: u32) -> Value {
        self.add_to_cart(product, quantity).await.expect(200);
        self.place_order().await.expect(201).json
    }

    pub(crate) async fn update_order_status(&self, order: &Value, status: &str) -> Response {
        self.patch(&format!("/api/orders/{}", order["id"].as_str().unwrap()), json!({"status": status})).await
    }
}

/// Retries a request after `Retry-After` while the response is 429 or 503, for up to two minutes. The request must be safe to
/// repeat.
pub(crate) async fn retry_while_unavailable(send: impl AsyncFn() -> Response) -> Response {
    let started = Instant::now();
    loop {
        let response = send().await;
        if ![429, 503].contains(&response.status) {
            return response;
        }
        assert!(started.elapsed() < RETRY_TIMEOUT, "{response:?}");
        let pause = response.header("retry-after").parse().expect("Retry-After");
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

/// A response with its whole body.
pub(crate) struct Response {
    what: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
    /// The body as JSON; null if it is not JSON.
    pub(crate) json: Value,
}

impl Response {
    /// Asserts the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Asserts that this is a problem with this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self
    }

    /// The code of the problem, or an empty string.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The invalid fields of the problem, in order.
    pub(crate) fn error_fields(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str()).collect()
    }

    /// The value of a header, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.what, self.status, self.text)
    }
}
