//! Updating a product.

use bodega_audit::{Event, Subject};
use bodega_proto::catalog::v1::UpdateProductRequest;
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
    money::Currency,
};
use sqlx::PgConnection;

use super::{
    db::{self, products::LockedProduct},
    product::{Product, ProductUpdate},
};
use crate::{
    AUDIT,
    categories_and_tags::{self, IdOrName},
    error::Error,
};

/// Updates a product if it has the expected version, or any version if none is expected.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VersionMismatch`], [`Error::HasVariants`] for a price or stock, and [`Error::Invalid`], also
/// for an unknown category or tag.
pub(crate) async fn update(
    db: &Pool,
    caller: &Caller,
    currency: Currency,
    request: UpdateProductRequest,
) -> Result<Product, Error> {
    let (id, expected_version) = (request.id, request.expected_version);
    let (update, category) = ProductUpdate::parse(request, currency)?;
    retry_on_conflict(|| try_update(db, caller, currency, id, expected_version, &update, category.as_ref()))
        .await
}

async fn try_update(
    db: &Pool,
    caller: &Caller,
    currency: Currency,
    id: i32,
    expected_version: Option<i64>,
    update: &ProductUpdate,
    category: Option<&Option<IdOrName>>,
) -> Result<Product, Error> {
    let mut transaction = db.begin().await?;
    let tag_ids = update.tag_ids.as_deref();
    let (category_id, unknown) = categories_and_tags::lock_for_product(
        &mut transaction,
        category.and_then(Option::as_ref),
        tag_ids.unwrap_or_default(),
    )
    .await?;
    let locked = lock_at_version(&mut transaction, id, expected_version).await?;
    unknown.finish()?;
    if locked.variant_count > 1 && (update.price_minor.is_some() || update.stock.is_some()) {
        return Err(Error::HasVariants);
    }
    let before = db::products::find(&mut *transaction, id).await?.ok_or(Error::ProductNotFound)?;

    let update = ProductUpdate { category_id: category.map(|_| category_id), ..update.clone() };
    let variant_id = locked.only_variant_id;
    db::products::update(&mut *transaction, id, variant_id, &update, currency).await?;
    if let Some(stock) = update.stock
        && stock != locked.stock
    {
        db::products::record_stock_adjustment(&mut *transaction, variant_id, stock - locked.stock).await?;
    }
    if let Some(tag_ids) = &update.tag_ids {
        db::products::set_tags(&mut *transaction, id, tag_ids).await?;
    }
    if let Some(url) = &update.image_url {
        db::product_images::set_first(&mut *transaction, id, url.as_deref()).await?;
    }
    let product = db::products::find(&mut *transaction, id).await?.ok_or(Error::ProductNotFound)?;
    let event = Event::new("product.updated", caller).on(Subject::new("product", id));
    let event = event.change(Some(&before.audited()), Some(&product.audited()));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(product)
}

/// Locks a product that is sold and has the expected version.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VersionMismatch`].
pub(super) async fn lock_at_version(
    db: &mut PgConnection,
    id: i32,
    expected_version: Option<i64>,
) -> Result<LockedProduct, Error> {
    let locked = db::products::lock(db, id).await?.ok_or(Error::ProductNotFound)?;
    match expected_version {
        Some(expected) if expected != locked.version => {
            Err(Error::VersionMismatch { actual: locked.version })
        }
        Some(_) | None => Ok(locked),
    }
}
