//! The demo products: items for home and garden.

use std::collections::{BTreeSet, HashMap, HashSet};

use bodega_catalog::bulk::{self, NewProduct, NewVariant};
use bodega_runtime::{database::Pool, money::Currency};
use serde::Deserialize;

/// Prices are in minor units of the configured currency.
const DEMO: &str = include_str!("demo.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Category {
    name: String,
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
    /// Names of the options of the variants.
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    variants: Vec<Variant>,
}

/// The first variant has the price and the stock of the product.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    sku: String,
    options: Vec<String>,
    price: i64,
    stock: i32,
    /// In grams.
    weight: i32,
}

impl From<Variant> for NewVariant {
    fn from(variant: Variant) -> Self {
        Self {
            sku: variant.sku,
            option_values: variant.options,
            price_minor: variant.price,
            stock: variant.stock,
            weight_grams: variant.weight,
        }
    }
}

/// Adds the demo products whose names are missing; returns their number.
///
/// # Errors
/// When the database fails.
pub(super) async fn add_missing(db: &Pool, currency: Currency) -> anyhow::Result<usize> {
    let existing: HashSet<String> =
        sqlx::query_scalar("select name from catalog.products").fetch_all(db).await?.into_iter().collect();
    let missing: Vec<_> =
        products()?.into_iter().filter(|(_, product)| !existing.contains(&product.name)).collect();

    // A product of the store may have one of them.
    let variants = missing.iter().flat_map(|(_, product)| &product.variants);
    let skus: Vec<_> = variants.map(|variant| variant.sku.clone()).collect();
    let taken: HashSet<_> = bulk::taken_skus(db, &skus).await?.into_iter().collect();
    let new_variant = |variant: Variant| {
        let sku = if taken.contains(&variant.sku) { String::new() } else { variant.sku.clone() };
        NewVariant::from(Variant { sku, ..variant })
    };

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
            option_names: product.options,
            variants: product.variants.into_iter().map(new_variant).collect(),
            ..NewProduct::default()
        })
        .collect();
    // One transaction: adds all of them or none.
    Ok(bulk::insert_products(db, currency, &products, |_| ()).await?.len())
}

/// Returns whether the catalog never had a product. Deleted products count, because they are archived.
///
/// # Errors
/// When the database fails.
pub(super) async fn is_catalog_empty(db: &Pool) -> sqlx::Result<bool> {
    sqlx::query_scalar("select not exists (select from catalog.products)").fetch_one(db).await
}

/// Returns the products, each with the name of its category.
fn products() -> serde_json::Result<Vec<(String, Product)>> {
    let categories: Vec<Category> = serde_json::from_str(DEMO)?;
    let products = |category: Category| {
        category.products.into_iter().map(move |product| (category.name.clone(), product))
    };
    Ok(categories.into_iter().flat_map(products).collect())
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    names.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_products_have_variants_of_which_the_first_has_their_price_and_stock() {
        let products = products().unwrap().into_iter().map(|(_, product)| product);
        let products: Vec<_> = products.filter(|product| !product.variants.is_empty()).collect();
        assert_eq!(products.len(), 2);
        for product in products {
            let first = &product.variants[0];
            assert_eq!((product.price, product.stock), (first.price, first.stock), "{}", product.name);
            for variant in &product.variants {
                assert_eq!(variant.options.len(), product.options.len(), "{}", variant.sku);
                assert!(variant.price >= product.price, "{}", variant.sku);
            }
        }
    }

    #[test]
    fn has_62_distinct_products_in_10_categories() {
        let products = products().unwrap();
        let names: HashSet<_> = products.iter().map(|(_, product)| &product.name).collect();
        let categories: HashSet<_> = products.iter().map(|(category, _)| category).collect();
        assert_eq!((categories.len(), products.len(), names.len()), (10, 62, 62));
    }
}
