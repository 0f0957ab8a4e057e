//! The REST APIs of the targets: requests for the load generator, and calls that prepare or check a flow.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const ADMIN_EMAIL: &str = "admin@shop.example";

/// Concurrent calls that prepare a flow.
const CONCURRENCY: usize = 8;

/// Attempts of a call that is rejected with 503.
const ATTEMPTS: usize = 100;

/// Which API a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Bodega,
    Express,
}

/// A client of a server.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// Host and port.
    pub(crate) address: String,
    style: Style,
    http: reqwest::Client,
}

/// A registered user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) token: String,
}

impl Api {
    pub(crate) fn new(address: String, style: Style) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { address, style, http })
    }

    pub(crate) fn is_bodega(&self) -> bool {
        self.style == Style::Bodega
    }

    fn path<'a>(&self, bodega: &'a str, express: &'a str) -> &'a str {
        if self.is_bodega() { bodega } else { express }
    }

    /// Returns the text of a request.
    fn text(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> String {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        if let Some(token) = token {
            text.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        match body {
            Some(body) => {
                let body = body.to_string();
                let length = body.len();
                text.push_str(&format!(
                    "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                ));
            }
            None => text.push_str("\r\n"),
        }
        text
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.text("GET", path, None, None)
    }

    pub(crate) fn get_product(&self, id: i64) -> String {
        self.get(&format!("{}/{id}", self.path("/api/products", "/products")))
    }

    pub(crate) fn add_to_cart(&self, user: &User, product: i64, quantity: u32) -> String {
        let body = json!({"productId": product, "quantity": quantity});
        self.text("POST", self.path("/api/cart/add", "/cart"), Some(&user.token), Some(&body))
    }

    pub(crate) fn place_order(&self, user: &User) -> String {
        self.text("POST", self.path("/api/orders", "/order"), Some(&user.token), Some(&json!({})))
    }

    pub(crate) fn login(&self, user: &User) -> String {
        self.text(
            "POST",
            self.path("/api/auth/login", "/auth/login"),
            None,
            Some(&self.credentials(&user.email)),
        )
    }

    fn credentials(&self, email: &str) -> Value {
        json!({ self.path("login", "email"): email, "password": PASSWORD })
    }

    /// Registers a user.
    async fn register(&self, number: usize) -> anyhow::Result<User> {
        let email = format!("user{number}-{:08x}@shop.example", rand::random::<u32>());
        let body = json!({"name": format!("User {number}"), "email": email, "password": PASSWORD});
        let path = self.path("/api/auth/register", "/auth/signup");
        let response = self.call(Method::POST, path, None, Some(body)).await?;
        Ok(User { email, token: token_of(&response)? })
    }

    /// Registers this many users, numbered from `first`.
    pub(crate) async fn register_all(&self, first: usize, count: usize) -> anyhow::Result<Vec<User>> {
        stream::iter((first..first + count).map(|number| self.register(number)))
            .buffered(CONCURRENCY)
            .try_collect()
            .await
            .context("cannot register users")
    }

    /// Signs the admin in and returns the token.
    pub(crate) async fn admin_token(&self) -> anyhow::Result<String> {
        let path = self.path("/api/auth/login", "/auth/login");
        let response = self.call(Method::POST, path, None, Some(self.credentials(ADMIN_EMAIL))).await;
        token_of(&response.context("cannot sign in as admin")?)
    }

    /// Creates products with these stocks and returns their ids.
    pub(crate) async fn create_products(&self, admin: &str, stocks: &[u32]) -> anyhow::Result<Vec<i64>> {
        let stock_field = self.path("stock", "quantity");
        let create = |(number, stock): (usize, &u32)| {
            let body = json!({
                "name": format!("Sturdy Oak Bench No. {}", number + 1),
                "description": "Finished by hand, so that no two are quite alike. Ships flat, and is ready in a minute.",
                "price": (499 + number * 7919 % 200 * 100) as f64 / 100.0,
                stock_field: stock,
            });
            let path = self.path("/api/products", "/products");
            async move {
                let created = self.call(Method::POST, path, Some(admin), Some(body)).await?;
                created["id"].as_i64().with_context(|| format!("no id in {created}"))
            }
        };
        stream::iter(stocks.iter().enumerate().map(create))
            .buffered(CONCURRENCY)
            .try_collect()
            .await
            .context("cannot create products")
    }

    /// Returns the stock of a product, as admins see it.
    pub(crate) async fn stock(&self, admin: &str, product: i64) -> anyhow::Result<i64> {
        let path = format!("{}/{product}", self.path("/api/products", "/products"));
        let found = self.call(Method::GET, &path, Some(admin), None).await?;
        found[self.path("stock", "quantity")].as_i64().with_context(|| format!("no stock in {found}"))
    }

    /// Returns the paths of up to `limit` pages of 20 products.
    pub(crate) async fn pages(&self, limit: usize) -> anyhow::Result<Vec<String>> {
        let mut paths = Vec::new();
        let mut next = Some(self.path("/api/products?limit=20", "/products?limit=20&page=1").to_owned());
        while let Some(path) = next.filter(|_| paths.len() < limit) {
            let page = self.read(&path).await?;
            next = if self.is_bodega() {
                page["nextCursor"].as_str().map(|cursor| format!("/api/products?limit=20&cursor={cursor}"))
            } else {
                let is_full = page["items"].as_array().is_some_and(|items| items.len() == 20);
                is_full.then(|| format!("/products?limit=20&page={}", paths.len() + 2))
            };
            paths.push(path);
        }
        Ok(paths)
    }

    /// Reads a resource.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None, None).await
    }

    /// Removes everything from the carts of these users.
    pub(crate) async fn clear_carts(&self, users: &[User]) -> anyhow::Result<()> {
        let path = self.path("/api/cart", "/cart");
        self.for_all(users, |user| self.call(Method::DELETE, path, Some(&user.token), None)).await
    }

    /// Adds a product to the carts of these users.
    pub(crate) async fn fill_carts(&self, users: &[User], product: i64, quantity: u32) -> anyhow::Result<()> {
        let path = self.path("/api/cart/add", "/cart");
        let body = json!({"productId": product, "quantity": quantity});
        self.for_all(users, |user| self.call(Method::POST, path, Some(&user.token), Some(body.clone()))).await
    }

    async fn for_all<'a, F: Future<Output = anyhow::Result<Value>>>(
        &self,
        users: &'a [User],
        call: impl Fn(&'a User) -> F,
    ) -> anyhow::Result<()> {
        stream::iter(users.iter().map(call))
            .buffer_unordered(CONCURRENCY)
            .try_for_each(async |_| Ok(()))
            .await
            .context("cannot prepare carts")
    }

    /// Calls the API; repeats a call that is rejected with 503 or 429.
    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("http://{}{path}", self.address);
        for _ in 0..ATTEMPTS {
            let mut request = self.http.request(method.clone(), &url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let response = request.send().await?;
            let status = response.status();
            if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            let text = response.text().await?;
            if !status.is_success() {
                bail!("{method} {path} responded with {status}: {text}");
            }
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        bail!("{method} {path} is rejected as overloaded")
    }
}

fn token_of(response: &Value) -> anyhow::Result<String> {
    Ok(response["token"].as_str().with_context(|| format!("no token in {response}"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        User { email: "ada@shop.example".to_owned(), token: "t0k3n".to_owned() }
    }

    #[test]
    fn a_request_has_the_length_of_its_body() {
        let api = Api::new("127.0.0.1:80".to_owned(), Style::Bodega).unwrap();
        let text = api.add_to_cart(&user(), 7, 2);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /api/cart/add HTTP/1.1\r\nhost: 127.0.0.1:80\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer t0k3n\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
    }

    #[test]
    fn styles_have_their_own_paths_and_fields() {
        let api = Api::new("127.0.0.1:80".to_owned(), Style::Express).unwrap();
        assert!(api.place_order(&user()).starts_with("POST /order HTTP/1.1\r\n"));
        assert!(api.login(&user()).contains("\"email\":\"ada@shop.example\""));
    }
}
