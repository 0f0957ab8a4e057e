//! People who use a store, over HTTP, and the answers they get.

use std::{fmt, time::Duration};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use crate::harness::store::PASSWORD;

/// Somebody who uses the store: signed in, or not.
#[derive(Clone)]
pub(crate) struct Person {
    http: reqwest::Client,
    url: String,
    headers: HeaderMap,
    session: Value,
}

impl Person {
    /// Somebody who has not signed in, at the store of this URL.
    pub(crate) fn at(url: &str) -> Self {
        let http = reqwest::Client::new();
        Self { http, url: url.to_owned(), headers: HeaderMap::new(), session: Value::Null }
    }

    /// Who signs in by this answer of register or login.
    pub(crate) fn signed_in(mut self, session: Value) -> Self {
        let token = session["token"].as_str().expect("a session has a token").to_owned();
        self.session = session;
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same person, who also sends this header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        self
    }

    /// Signs in with everybody's password, by email or username.
    pub(crate) async fn sign_in(&self, login: &str) -> Self {
        let body = json!({"login": login, "password": PASSWORD});
        let session = self.post("/api/auth/login", body).await.expect(200).json;
        self.clone().signed_in(session)
    }

    /// What register or login answered: `user`, `token`, `refreshToken` and so on.
    pub(crate) fn session(&self) -> &Value {
        &self.session
    }

    /// The account's id.
    pub(crate) fn id(&self) -> &str {
        self.session["user"]["id"].as_str().expect("only who signed in has an id")
    }

    /// The access token.
    pub(crate) fn token(&self) -> &str {
        self.session["token"].as_str().expect("only who signed in has a token")
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

    /// A request of this person's, to be made odd and then [sent](Person::send).
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path)).headers(self.headers.clone())
    }

    /// Where a path of the store is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let request = request.build().unwrap();
        let what = format!("{} {}", request.method(), request.url().path());
        let answer = self.http.execute(request).await.unwrap_or_else(|cause| panic!("{what}: {cause:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Response { what, status, headers, text, json }
    }

    /// Whether a path answers with 200.
    pub(crate) async fn reaches(&self, path: &str) -> bool {
        self.request(Method::GET, path).send().await.is_ok_and(|answer| answer.status() == 200)
    }

    /// Puts a product on the shelves; its id.
    pub(crate) async fn create_product(&self, name: &str, price: &str, stock: u32) -> i64 {
        let body = json!({"name": name, "price": price, "stock": stock});
        self.post("/api/products", body).await.expect(201).json["id"].as_i64().unwrap()
    }

    /// Units of a product that are left.
    pub(crate) async fn stock_of(&self, product: i64) -> i64 {
        self.get(&format!("/api/products/{product}")).await.expect(200).json["stock"].as_i64().unwrap()
    }

    /// Puts something into the cart.
    pub(crate) async fn add_to_cart(&self, product: i64, quantity: u32) -> Response {
        self.post("/api/cart/add", json!({"productId": product, "quantity": quantity})).await
    }

    /// Orders what is in the cart.
    pub(crate) async fn place_order(&self) -> Response {
        self.send(self.request(Method::POST, "/api/orders")).await
    }

    /// Orders what is in the cart, under a key.
    pub(crate) async fn place_order_with_key(&self, key: &str) -> Response {
        self.send(self.request(Method::POST, "/api/orders").header("idempotency-key", key)).await
    }

    /// Puts one line into the cart and orders it; the order.
    pub(crate) async fn buy(&self, product: i64, quantity: u32) -> Value {
        self.add_to_cart(product, quantity).await.expect(200);
        self.place_order().await.expect(201).json
    }

    /// Moves an order.
    pub(crate) async fn update_order_status(&self, order: &Value, status: &str) -> Response {
        self.patch(&format!("/api/orders/{}", order["id"].as_str().unwrap()), json!({"status": status})).await
    }
}

/// What is answered in the end to somebody who comes back for as long as that is what the answer says. To be asked for is
/// only what may be repeated.
pub(crate) async fn in_the_end(ask: impl AsyncFn() -> Response) -> Response {
    loop {
        let answer = ask().await;
        if answer.status != 503 {
            return answer;
        }
        let pause = answer.header("retry-after").parse().expect("told when to come back");
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
}

/// An answer, read to its end.
pub(crate) struct Response {
    what: String,
    /// 200, 404 and so on.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) text: String,
    /// Its body as JSON; null where it is none.
    pub(crate) json: Value,
}

impl Response {
    /// The same, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The same, if it is a problem of this status and code, in the media type of problems.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self
    }

    /// The problem's code; empty where it is no problem.
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The fields that the problem names, in its order.
    pub(crate) fn refused_fields(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().filter_map(|error| error["field"].as_str()).collect()
    }

    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.what, self.status, self.text)
    }
}
