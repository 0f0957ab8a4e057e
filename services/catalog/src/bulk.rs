//! Many products at once: for demo data, imports and benchmarks.

use bodega_runtime::money::Currency;
use sqlx::PgPool;

use crate::store::{categories, products, tags};

/// Products that go into the database together.
const BATCH: usize = 1_000;

/// A product to make. The bounds are those of `CreateProductRequest`.
#[derive(Clone, Debug)]
pub struct NewProduct {
    /// 1 to 200 characters.
    pub name: String,
    /// At most 10,000 characters.
    pub description: String,
    /// Of one unit, in minor units of the shop's currency; 0 to 1,000,000,000,000.
    pub price_minor: i64,
    /// Units there are; not negative.
    pub stock: i32,
    /// One that is there, or none.
    pub category_id: Option<i32>,
    /// Of tags that are there; none twice.
    pub tag_ids: Vec<i32>,
    /// The picture to show, if any.
    pub image_url: Option<String>,
}

/// The ids of the categories of these names, in their order; those that are not there yet are made.
///
/// # Errors
/// The database's; among them names that are empty or too long.
pub async fn categories(db: &PgPool, names: &[String]) -> sqlx::Result<Vec<i32>> {
    categories::ids_of(db, names).await
}

/// The ids of the tags of these names, in their order; those that are not there yet are made.
///
/// # Errors
/// As [`categories`].
pub async fn tags(db: &PgPool, names: &[String]) -> sqlx::Result<Vec<i32>> {
    tags::ids_of(db, names).await
}

/// Makes these products, with a ledger row for the stock of each; their ids, in the same order.
///
/// They come in batches of a thousand, each of them whole or not at all: `progress` is told how many are in after each.
///
/// # Errors
/// The database's; among them the constraint that a product is out of bounds of. Earlier batches stay.
pub async fn insert_products(
    db: &PgPool,
    currency: Currency,
    products: &[NewProduct],
    mut progress: impl FnMut(usize),
) -> sqlx::Result<Vec<i32>> {
    let mut ids = Vec::with_capacity(products.len());
    for batch in products.chunks(BATCH) {
        let mut transaction = db.begin().await?;
        ids.extend(products::insert(&mut transaction, currency, batch).await?);
        transaction.commit().await?;
        progress(ids.len());
    }
    Ok(ids)
}
