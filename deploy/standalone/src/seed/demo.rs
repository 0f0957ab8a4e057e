//! The demo shop: a few shelves of things for house and garden.

use std::collections::{BTreeSet, HashMap, HashSet};

use bodega_catalog::bulk::{self, NewProduct};
use bodega_runtime::money::Currency;
use serde::Deserialize;
use sqlx::PgPool;

/// What is on the shelves: prices are in minor units of whatever currency the shop has.
const SHOP: &str = include_str!("shop.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shelf {
    category: String,
    products: Vec<Product>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Product {
    name: String,
    description: String,
    /// In minor units.
    price: i64,
    stock: i32,
    tags: Vec<String>,
}

/// Puts on the shelves whatever of the demo shop is not there under its name; returns how much that was.
///
/// # Errors
/// When the database refuses.
pub(super) async fn fill(db: &PgPool, currency: Currency) -> anyhow::Result<usize> {
    let there: HashSet<String> =
        sqlx::query_scalar("select name from catalog.products").fetch_all(db).await?.into_iter().collect();
    let missing: Vec<_> =
        goods()?.into_iter().filter(|(_, product)| !there.contains(&product.name)).collect();

    let names = distinct(missing.iter().map(|(category, _)| category));
    let ids = bulk::categories(db, &names).await?;
    let categories: HashMap<_, _> = names.iter().zip(ids).collect();
    let names = distinct(missing.iter().flat_map(|(_, product)| &product.tags));
    let ids = bulk::tags(db, &names).await?;
    let tags: HashMap<_, _> = names.iter().zip(ids).collect();
    let products: Vec<_> = missing
        .into_iter()
        .map(|(category, product)| NewProduct {
            name: product.name,
            description: product.description,
            price_minor: product.price,
            stock: product.stock,
            category_id: categories.get(&category).copied(),
            tag_ids: product.tags.iter().filter_map(|tag| tags.get(tag).copied()).collect(),
            ..NewProduct::default()
        })
        .collect();
    // Few enough for one transaction: all of them or none.
    Ok(bulk::insert_products(db, currency, &products, |_| ()).await?.len())
}

/// Whether nothing was ever sold.
///
/// # Errors
/// When the database refuses.
pub(super) async fn is_wanted(db: &PgPool) -> sqlx::Result<bool> {
    sqlx::query_scalar("select not exists (select from catalog.products)").fetch_one(db).await
}

/// Products, each with its category.
fn goods() -> serde_json::Result<Vec<(String, Product)>> {
    let shelves: Vec<Shelf> = serde_json::from_str(SHOP)?;
    let of_shelf =
        |shelf: Shelf| shelf.products.into_iter().map(move |product| (shelf.category.clone(), product));
    Ok(shelves.into_iter().flat_map(of_shelf).collect())
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_shop_has_about_ten_shelves_and_sixty_goods_each_of_its_own_name() {
        let goods = goods().unwrap();
        let names: HashSet<_> = goods.iter().map(|(_, product)| &product.name).collect();
        let shelves: HashSet<_> = goods.iter().map(|(category, _)| category).collect();
        assert_eq!((shelves.len(), goods.len(), names.len()), (10, 62, 62));
    }
}
