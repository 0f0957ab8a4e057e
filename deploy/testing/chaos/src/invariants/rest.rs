//! What the store shows over REST, to an admin: every product, order and account.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, bail, ensure};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// The longest that one answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a page is asked for, and the pause before it is asked for again: all is quiet, but the machine is small.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// What the store shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Those that are sold, by id.
    pub(super) products: HashMap<i64, Value>,
    /// By id.
    pub(super) orders: HashMap<String, Value>,
    /// By id.
    pub(super) users: HashMap<String, Value>,
}

impl Shown {
    /// What the store at `url` shows to an admin now.
    ///
    /// # Errors
    /// When it does not answer, or with something else.
    pub(super) async fn read(url: &str, email: &str, password: &str) -> anyhow::Result<Self> {
        let mut admin = Admin::sign_in(url, email, password).await?;
        let products = admin.list("/api/products").await?;
        let orders = admin.list("/api/admin/orders").await?;
        let users = admin.list("/api/users").await?;
        let by_id = |items: Vec<Value>| {
            items.into_iter().map(|item| (item["id"].as_str().unwrap_or_default().to_owned(), item)).collect()
        };
        Ok(Self {
            products: products.into_iter().filter_map(|item| Some((item["id"].as_i64()?, item))).collect(),
            orders: by_id(orders),
            users: by_id(users),
        })
    }
}

/// An admin who looks.
struct Admin {
    http: reqwest::Client,
    url: String,
    login: Value,
    token: String,
}

impl Admin {
    async fn sign_in(url: &str, email: &str, password: &str) -> anyhow::Result<Self> {
        // To read the system's certificates takes long, and nothing here is https.
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).tls_certs_only([]).build()?;
        let login = json!({"email": email, "password": password});
        let mut admin = Self { http, url: url.to_owned(), login, token: String::new() };
        admin.renew().await?;
        Ok(admin)
    }

    /// Signs in again: tokens may be short-lived.
    async fn renew(&mut self) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}/api/auth/login", self.url)).json(&self.login);
        let (status, session) = insist(&request).await.context("the admin cannot sign in")?;
        ensure!(status.is_success(), "the admin cannot sign in: {status}");
        session["token"].as_str().context("a session without a token")?.clone_into(&mut self.token);
        Ok(())
    }

    /// All rows of a list.
    async fn list(&mut self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new(); // made of characters that a URL takes as they are
        loop {
            let mut page = self.get(&format!("{path}?limit=100&cursor={cursor}")).await?;
            let rows = page["items"].as_array_mut().with_context(|| format!("{path} is no list"))?;
            items.append(rows);
            match page["nextCursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(items),
            }
        }
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        for _ in 0..TRIES {
            let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
            let (status, body) = insist(&request).await.with_context(|| format!("GET {path}"))?;
            match status {
                StatusCode::OK => return Ok(body),
                StatusCode::UNAUTHORIZED => self.renew().await?,
                status => bail!("GET {path} is answered {status}"),
            }
        }
        bail!("GET {path} is refused with tokens that were just given")
    }
}

/// Asks until there is an answer other than "not now".
async fn insist(request: &RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
    let mut why = String::new();
    for _ in 0..TRIES {
        let attempt = request.try_clone().context("a request that cannot be repeated")?;
        match answer(attempt).await {
            Ok((StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, body)) => {
                why = body.to_string()
            }
            Ok(answer) => return Ok(answer),
            Err(cause) => why = cause.to_string(),
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("no answer after {TRIES} tries: {why}")
}

async fn answer(request: RequestBuilder) -> reqwest::Result<(StatusCode, Value)> {
    let response = request.send().await?;
    Ok((response.status(), response.json().await?))
}
