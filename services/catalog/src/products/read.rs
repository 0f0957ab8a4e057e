//! Reading products by id.

use bodega_runtime::{database::Pool, status::Violations};

use super::{db, product::Product};
use crate::error::Error;

const MAX_BATCH_IDS: usize = 200;

/// Returns a product that is sold.
///
/// # Errors
/// [`Error::ProductNotFound`], also for an archived product.
pub(crate) async fn get(db: &Pool, id: i32) -> Result<Product, Error> {
    let product = db::products::find(db, id).await?;
    product.filter(|product| !product.archived).ok_or(Error::ProductNotFound)
}

/// Returns the variants with these ids, ordered by id, archived ones included. Unknown ids are ignored.
///
/// # Errors
/// [`Error::Invalid`] for more than 200 ids.
pub(crate) async fn batch_get(db: &Pool, ids: &[i32]) -> Result<Vec<Product>, Error> {
    let mut violations = Violations::new();
    violations.require(
        ids.len() <= MAX_BATCH_IDS,
        "ids",
        format!("must have at most {MAX_BATCH_IDS} entries"),
    );
    violations.finish()?;
    Ok(db::products::find_variants(db, ids).await?)
}
