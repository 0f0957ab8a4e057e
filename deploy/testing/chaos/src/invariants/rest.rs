//! Products, orders and users as the admin reads them over REST.

use std::collections::HashMap;

use serde_json::Value;

use crate::{client::Session, cluster::Admin};

/// The lists by id.
#[derive(Debug, Default)]
pub(super) struct RestState {
    /// The variants of products that are not archived.
    pub(super) products: HashMap<i64, Value>,
    pub(super) orders: HashMap<String, Value>,
    pub(super) users: HashMap<String, Value>,
}

impl RestState {
    pub(super) async fn read(url: &str, admin: &Admin) -> anyhow::Result<Self> {
        let mut session = Session::of_admin(url, admin).await?;
        let products = session.list("/api/products?include=variants").await?;
        let orders = session.list("/api/admin/orders").await?;
        let users = session.list("/api/users").await?;
        let by_id = |items: Vec<Value>| {
            items.into_iter().map(|item| (item["id"].as_str().unwrap_or_default().to_owned(), item)).collect()
        };
        Ok(Self {
            products: products
                .iter()
                .flat_map(|product| product["variants"].as_array().cloned().unwrap_or_default())
                .filter_map(|variant| Some((variant["id"].as_i64()?, variant)))
                .collect(),
            orders: by_id(orders),
            users: by_id(users),
        })
    }
}
