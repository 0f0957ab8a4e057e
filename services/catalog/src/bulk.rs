//! Inserting many products at once, for demo data, imports and benchmarks.

use bodega_proto::catalog::v1::{PutVariantsRequest, Variant};
use bodega_runtime::{database::Pool, money::Currency};

use crate::{
    categories_and_tags::{self, Kind},
    products, variants,
};

pub use crate::products::{NewProduct, NewVariant};

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

/// Returns those of these SKUs that other products have already, so that inserting a product with one of them fails.
///
/// # Errors
/// When the database fails.
pub async fn taken_skus(db: &Pool, skus: &[String]) -> sqlx::Result<Vec<String>> {
    variants::taken_skus(db, skus).await
}

/// Inserts products with their initial stock and their variants, and returns their ids in the same order.
///
/// Products are inserted in transactions of 1,000. `progress` is called after each with the number of products inserted
/// so far.
///
/// # Errors
/// When the database fails, a product violates a constraint, or another variant has the SKU of one. Earlier transactions stay committed.
pub async fn insert_products(
    db: &Pool,
    currency: Currency,
    products: &[NewProduct],
    mut progress: impl FnMut(usize),
) -> anyhow::Result<Vec<i32>> {
    let mut ids = Vec::with_capacity(products.len());
    for batch in products.chunks(BATCH_SIZE) {
        let mut transaction = db.begin().await?;
        let inserted = products::db::products::insert(&mut transaction, currency, batch).await?;
        for (id, product) in inserted.iter().zip(batch).filter(|(_, product)| !product.variants.is_empty()) {
            variants::insert(&mut transaction, currency, declaration(*id, product)).await?;
        }
        ids.extend(inserted);
        transaction.commit().await?;
        progress(ids.len());
    }
    Ok(ids)
}

fn declaration(product_id: i32, product: &NewProduct) -> PutVariantsRequest {
    let variants = product.variants.iter().cloned().map(|variant| Variant {
        sku: variant.sku,
        option_values: variant.option_values,
        price_minor: variant.price_minor,
        stock: Some(variant.stock),
        weight_grams: variant.weight_grams,
        ..Variant::default()
    });
    PutVariantsRequest {
        product_id,
        option_names: product.option_names.clone(),
        variants: variants.collect(),
        expected_version: None,
    }
}

/// Updates the statistics of the planner. Until they fit the inserted products, lists with a filter are many times slower.
///
/// # Errors
/// When the database fails. Only warns about tables of which the role is not the owner.
pub async fn analyze(db: &Pool) -> sqlx::Result<()> {
    let tables = "analyze catalog.products, catalog.product_tags, catalog.product_images, catalog.categories, \
                  catalog.tags, catalog.stock_movements, catalog.variants";
    sqlx::raw_sql(tables).execute(db).await.map(drop)
}
