//! The products that clients buy.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{
    api::{self, Request, Response},
    rules::{Rules, create_variants},
    session::Session,
};
use crate::cluster::Admin;

const CATEGORY: &str = "Chaos";
/// Prices in minor units. Few sums of them are equal, so that a total shows which products it contains.
const FIRST_PRICE: i64 = 101;
const PRICE_STEP: i64 = 137;

/// Products of a store, and the connection pool of their clients. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ProductSet {
    /// At least one. Those of variants, where a product has several.
    pub(super) ids: Arc<[i64]>,
    pub(super) http: reqwest::Client,
    pub(super) rules: Rules,
    /// The products of variants, where a product has several.
    products: Arc<HashMap<i64, i64>>,
}

impl ProductSet {
    /// Creates `count` products with `stock` units each.
    ///
    /// # Errors
    /// `count` is 0, or the store rejects a request or does not respond.
    pub(crate) async fn create(url: &str, admin: &Admin, count: usize, stock: i32) -> anyhow::Result<Self> {
        anyhow::ensure!(count > 0, "clients need at least one product");
        let mut admin = Session::of_admin(url, admin).await?;
        let category = create_category(&mut admin).await?;
        let mut ids = Vec::with_capacity(count);
        for (number, price_minor) in (FIRST_PRICE..).step_by(PRICE_STEP as usize).take(count).enumerate() {
            let body = json!({
                "name": format!("Product {number}"), "price": format_amount(price_minor), "stock": stock,
                "categoryId": category,
            });
            let created = admin.send(&Request::post("/api/products", body)).await;
            ids.push(created_id(created, "product")?);
        }
        let (http, rules, products) = (api::connection_pool()?, Rules::default(), Arc::default());
        Ok(Self { ids: ids.into(), http, rules, products })
    }

    /// Creates products as [`ProductSet::create`], of which every fourth has two variants, in a store with taxes, shipping and
    /// discount codes.
    ///
    /// # Errors
    /// As those of [`ProductSet::create`].
    pub(crate) async fn create_with_rules(
        url: &str,
        admin: &Admin,
        count: usize,
        stock: i32,
    ) -> anyhow::Result<Self> {
        let created = Self::create(url, admin, count, stock).await?;
        let mut admin = Session::of_admin(url, admin).await?;
        let rules = Rules::create(&mut admin).await?;
        let (mut ids, mut products) = (created.ids.to_vec(), HashMap::new());
        let prices = (FIRST_PRICE..).step_by(PRICE_STEP as usize).map(format_amount);
        for (product, price) in created.ids.iter().zip(prices).step_by(4) {
            let variants = create_variants(&mut admin, *product, &price, stock).await?;
            products.extend(variants.iter().map(|variant| (*variant, *product)));
            ids.extend(variants.into_iter().filter(|variant| variant != product));
        }
        Ok(Self { ids: ids.into(), rules, products: products.into(), ..created })
    }

    /// Returns the product of an id, if it is that of one of several variants.
    pub(super) fn product_of(&self, id: i64) -> Option<i64> {
        self.products.get(&id).copied()
    }

    pub(crate) fn ids(&self) -> Arc<[i64]> {
        Arc::clone(&self.ids)
    }
}

async fn create_category(admin: &mut Session) -> anyhow::Result<i64> {
    let created = admin.send(&Request::post("/api/categories", json!({"name": CATEGORY}))).await;
    if created.as_ref().is_none_or(|response| response.status != 409) {
        return created_id(created, "category");
    }
    // An earlier request without a response has created it.
    let categories = admin.list("/api/categories").await?;
    let category = categories.iter().find(|category| category["name"] == CATEGORY);
    category.and_then(|category| category["id"].as_i64()).context("the category exists but is not listed")
}

fn created_id(response: Option<Response>, what: &str) -> anyhow::Result<i64> {
    match response {
        Some(Response { status: 201, json, .. }) => {
            json["id"].as_i64().with_context(|| format!("the {what} has no id"))
        }
        Some(Response { status, json, .. }) => bail!("the store rejected a {what}: {status} {json}"),
        None => bail!("no response to the creation of a {what}"),
    }
}

/// Formats minor units as `1.01`.
fn format_amount(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_amounts_with_two_decimals() {
        assert_eq!([5, 101, 1250].map(format_amount), ["0.05", "1.01", "12.50"]);
    }
}
