//! Variants of products: reading them, declaring all of a product at once, and changing one.
//!
//! A variant is a row of `catalog.products`, with its price and stock, and one of `catalog.variants`, with the rest: see
//! `migrations/0008_variants.sql`.

mod db;
mod matching;
mod put;
mod stored;
mod update;
mod variant;

use bodega_runtime::database::Pool;

use self::db::Scope;
pub(crate) use self::{
    db::Variant,
    put::{Put, insert, put, update},
};
use crate::error::Error;

/// Returns those of these SKUs that variants have which can be ordered.
///
/// # Errors
/// When the database fails.
pub(crate) async fn taken_skus(db: &Pool, skus: &[String]) -> sqlx::Result<Vec<String>> {
    db::taken_skus(db, skus).await
}

/// Returns the option names of a product that is sold, and its variants in display order.
///
/// # Errors
/// [`Error::ProductNotFound`].
pub(crate) async fn list(db: &Pool, product_id: i32) -> Result<(Vec<String>, Vec<Variant>), Error> {
    let variants = db::find(db, product_id, Scope::Sold).await?;
    let option_names = variants.first().ok_or(Error::ProductNotFound)?.option_names.clone();
    Ok((option_names, variants))
}
