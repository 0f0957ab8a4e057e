//! Inserting many products at once, for demo data, imports and benchmarks.

use bodega_runtime::{database::Pool, money::Currency};

use crate::{
    categories_and_tags::{self, Kind},
    products,
};

pub use crate::products::NewProduct;

const BATCH_SIZE: usize = 1_000;

/// Returns the ids of the categories with these names, in the same order. Creates those that do not exist.
///
/// # Errors
/// When the database fails, or a name is empty or too long.
pub async fn categories(db: &Pool, names: &[String]) -> sqlx::Result<Vec<i32>> {
    categories_and_tags::db::find_or_create(db, Kind::Category, names).await
}

/// Returns the ids of the tags with these names, in the same order. Creates those that do not exist.
///
/// # Errors
/// As [`categories`].
pub async fn tags(db: &Pool, names: &[String]) -> sqlx::Result<Vec<i32>> {
    categories_and_tags::db::find_or_create(db, Kind::Tag, names).await
}

/// Inserts products with their initial stock, and returns their ids in the same order.
///
/// Products are inserted in transactions of 1,000. `progress` is called after each with the number of products inserted
/// so far.
///
/// # Errors
/// When the database fails, or a product violates a constraint. Earlier transactions stay committed.
pub async fn insert_products(
    db: &Pool,
    currency: Currency,
    products: &[NewProduct],
    mut progress: impl FnMut(usize),
) -> sqlx::Result<Vec<i32>> {
    let mut ids = Vec::with_capacity(products.len());
    for batch in products.chunks(BATCH_SIZE) {
        let mut transaction = db.begin().await?;
        ids.extend(products::db::products::insert(&mut transaction, currency, batch).await?);
        transaction.commit().await?;
        progress(ids.len());
    }
    Ok(ids)
}

/// Updates the statistics of the planner. Until they fit the inserted products, lists with a filter are many times slower.
///
/// # Errors
/// When the database fails. Only warns about tables of which the role is not the owner.
pub async fn analyze(db: &Pool) -> sqlx::Result<()> {
    let tables = "analyze catalog.products, catalog.product_tags, catalog.product_images, catalog.categories, \
                  catalog.tags, catalog.stock_movements";
    sqlx::raw_sql(tables).execute(db).await.map(drop)
}
