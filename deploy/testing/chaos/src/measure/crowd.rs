//! Accounts for loads, and something for them to buy.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    customer::{Account, Customer, PASSWORD, Step},
    load::{Load, Pace},
};
use crate::{
    fleet::{Fleet, Role},
    proxy::Upstream,
    shopper::Shelf,
};

/// How many products there are: enough that customers seldom meet at one, though they do.
const PRODUCTS: usize = 50;
/// Units of each, more than any load buys.
const STOCK: i32 = 1_000_000;
/// Accounts that are made at once. A password keeps a core busy.
const AT_ONCE: usize = 4;
/// How often an account is asked for, and the pause before it is asked for again.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Accounts of a store, who are signed in and have yet to buy anything.
pub(super) struct Crowd {
    /// Host and port of the gateway.
    authority: Arc<str>,
    accounts: Vec<Account>,
}

impl Crowd {
    /// Puts products up, and makes accounts.
    ///
    /// # Errors
    /// When the store refuses.
    pub(super) async fn gather(fleet: &Fleet, size: usize) -> anyhow::Result<Self> {
        Shelf::stock(fleet.url(), fleet.admin(), PRODUCTS, STOCK).await?;
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let products = products(&http, fleet.url()).await?;
        let accounts = (0..size).map(|number| register(&http, fleet.url(), number, &products));
        let accounts = stream::iter(accounts).buffered(AT_ONCE).try_collect().await?;
        let authority = fleet.url().trim_start_matches("http://").into();
        Ok(Self { authority, accounts })
    }

    /// Lets them ask the gateway itself, past its proxy: whoever measures it alone wants nothing beside it to take time. It
    /// must not be replaced then.
    pub(super) fn past_proxy(mut self, fleet: &Fleet) -> Self {
        if let Some(Upstream::Tcp(address)) = fleet.proxy(Role::Gateway).leads_to() {
            self.authority = address.to_string().into();
        }
        self
    }

    /// How many they are.
    pub(super) fn size(&self) -> usize {
        self.accounts.len()
    }

    /// Lets some of them go through a story: those of these numbers, as far as there are any.
    pub(super) fn load(&self, who: Range<usize>, story: &'static [Step], pace: Pace) -> Load {
        let customers = self.accounts.iter().skip(who.start).take(who.len());
        let customers = customers.map(|account| Customer::new(&self.authority, account.clone(), story));
        Load::begin(customers.collect(), pace)
    }
}

async fn products(http: &reqwest::Client, url: &str) -> anyhow::Result<Arc<[i64]>> {
    let answer = http.get(format!("{url}/api/products?inStock=true&limit={PRODUCTS}")).send().await?;
    let listed: Value = answer.error_for_status()?.json().await?;
    let items = listed["items"].as_array().context("no products are listed")?;
    let ids: Vec<_> = items.iter().filter_map(|product| product["id"].as_i64()).collect();
    anyhow::ensure!(!ids.is_empty(), "no product has an id");
    Ok(ids.into())
}

async fn register(
    http: &reqwest::Client,
    url: &str,
    number: usize,
    products: &Arc<[i64]>,
) -> anyhow::Result<Account> {
    let email = format!("{:x}@load.example", rand::random::<u128>());
    let body = json!({"name": format!("Customer {number}"), "email": email, "password": PASSWORD});
    for _ in 0..ATTEMPTS {
        let answer = http.post(format!("{url}/api/auth/register")).json(&body).send().await?;
        let status = answer.status();
        let session: Value = answer.json().await?;
        match (status, session["token"].as_str()) {
            (StatusCode::CREATED, Some(token)) => {
                let authorization = format!("Bearer {token}").into();
                return Ok(Account {
                    number,
                    email: email.into(),
                    authorization,
                    products: Arc::clone(products),
                });
            }
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => sleep(PAUSE).await,
            _ => bail!("the store refuses an account: {status} {session}"),
        }
    }
    bail!("the store has no time for an account")
}
