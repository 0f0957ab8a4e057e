//! What a store sells to shoppers.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{
    client::{self, Answer, Client, Request},
    member::Member,
};
use crate::{fleet::Admin, journal::Journal};

/// What all products are in.
const CATEGORY: &str = "Things that sell";
/// The price of the first product, in minor units; odd, so that a sum tells what it is made of.
const FIRST_PRICE: i64 = 101;
/// By how much the next one is dearer, in minor units.
const STEP: i64 = 137;

/// What a store sells to shoppers, and the connections over which they come. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shelf {
    /// The ids of its products; one at least.
    pub(super) products: Arc<[i64]>,
    pub(super) http: reqwest::Client,
}

impl Shelf {
    /// Puts up `products` new products, `stock` units of each.
    ///
    /// # Errors
    /// When there is to be none; when the store at `url` refuses, or does not answer however often it is asked.
    pub(crate) async fn stock(url: &str, admin: &Admin, products: usize, stock: i32) -> anyhow::Result<Self> {
        anyhow::ensure!(products > 0, "nobody can shop where nothing is sold");
        let http = client::http()?;
        // Nobody asks later what the admin was told.
        let client = Client::new(0, 0, http.clone(), url, Journal::begin());
        let mut admin = Member::known(client, admin.email.clone(), admin.password.clone());
        anyhow::ensure!(admin.sign_in().await, "the admin cannot sign in");

        let category = category(&mut admin).await?;
        let mut shelf = Vec::with_capacity(products);
        for (number, price_minor) in (FIRST_PRICE..).step_by(STEP as usize).take(products).enumerate() {
            let body = json!({
                "name": format!("Thing {number}"), "price": amount(price_minor), "stock": stock,
                "categoryId": category,
            });
            let created = admin.ask(&Request::post("/api/products", body)).await;
            shelf.push(id_of(created, "product")?);
        }
        Ok(Self { products: shelf.into(), http })
    }
}

/// The category of all products, made if there is none yet.
async fn category(admin: &mut Member) -> anyhow::Result<i64> {
    let created = admin.ask(&Request::post("/api/categories", json!({"name": CATEGORY}))).await;
    if created.as_ref().is_none_or(|answer| answer.status != 409) {
        return id_of(created, "category");
    }
    let listed = admin.ask(&Request::get("/api/categories?limit=100")).await.context("no answer")?;
    let categories = listed.json["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = categories.iter().find(|category| category["name"] == CATEGORY);
    ours.and_then(|category| category["id"].as_i64()).context("the category is there, and is not listed")
}

fn id_of(created: Option<Answer>, what: &str) -> anyhow::Result<i64> {
    match created {
        Some(Answer { status: 201, json, .. }) => {
            json["id"].as_i64().with_context(|| format!("a {what} without an id"))
        }
        Some(Answer { status, json, .. }) => bail!("the store refuses a {what}: {status} {json}"),
        None => bail!("the store does not answer when it is given a {what}"),
    }
}

/// Minor units as a store reads them: `1.01`.
fn amount(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_they_are_meant() {
        assert_eq!([5, 101, 1250].map(amount), ["0.05", "1.01", "12.50"]);
    }
}
