//! Making, changing and archiving products.

use bodega_runtime::{database::retry_on_conflict, money::Currency, status::Violations};
use sqlx::{PgConnection, PgPool};

use crate::{
    bulk::NewProduct,
    draft::{Changes, Draft},
    error::Error,
    label::Ref,
    product::Product,
    store::{categories, images, products, shown, stock, tags},
};

/// Makes a product, and its category if that is named and not there yet.
///
/// # Errors
/// [`Error::Invalid`] for an unknown category or tag.
pub(crate) async fn create(db: &PgPool, currency: Currency, draft: &Draft) -> Result<Product, Error> {
    retry_on_conflict(|| try_create(db, currency, draft)).await
}

async fn try_create(db: &PgPool, currency: Currency, draft: &Draft) -> Result<Product, Error> {
    let mut transaction = db.begin().await?;
    let (category_id, unknown) =
        lock_labels(&mut transaction, draft.category.as_ref(), &draft.tag_ids).await?;
    unknown.finish()?;
    let product = NewProduct {
        name: draft.name.clone(),
        description: draft.description.clone(),
        price_minor: draft.price_minor,
        stock: draft.stock,
        category_id,
        tag_ids: draft.tag_ids.clone(),
        image_url: draft.image_url.clone(),
    };
    let ids = products::insert(&mut transaction, currency, &[product]).await?;
    let product = shown::by_ids(&mut *transaction, &ids).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
    transaction.commit().await?;
    Ok(product)
}

/// Changes a product, if it is at the expected version.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VersionMismatch`], and [`Error::Invalid`] for an unknown category or tag.
pub(crate) async fn update(
    db: &PgPool,
    currency: Currency,
    id: i32,
    expected_version: Option<i64>,
    changes: &Changes,
) -> Result<Product, Error> {
    retry_on_conflict(|| try_update(db, currency, id, expected_version, changes)).await
}

async fn try_update(
    db: &PgPool,
    currency: Currency,
    id: i32,
    expected_version: Option<i64>,
    changes: &Changes,
) -> Result<Product, Error> {
    let mut transaction = db.begin().await?;
    let category = changes.category.as_ref().and_then(Option::as_ref);
    let tag_ids = changes.tag_ids.as_deref().unwrap_or_default();
    let (category_id, unknown) = lock_labels(&mut transaction, category, tag_ids).await?;
    let locked = lock_at(&mut transaction, id, expected_version).await?;
    unknown.finish()?;

    let category_id = changes.category.as_ref().map(|_| category_id);
    products::update(&mut transaction, id, changes, category_id, currency).await?;
    if let Some(stock) = changes.stock
        && stock != locked.stock
    {
        stock::record_adjustment(&mut *transaction, id, stock - locked.stock).await?;
    }
    if changes.tag_ids.is_some() {
        products::set_tags(&mut transaction, id, tag_ids).await?;
    }
    if let Some(url) = &changes.image_url {
        images::set_first(&mut transaction, id, url.as_deref()).await?;
    }
    let product = shown::by_id(&mut *transaction, id).await?.ok_or(Error::ProductNotFound)?;
    transaction.commit().await?;
    Ok(product)
}

/// Archives a product, if it is at the expected version. Its pictures go: nobody looks at it any more.
///
/// # Errors
/// [`Error::ProductNotFound`], [`Error::VersionMismatch`].
pub(crate) async fn archive(db: &PgPool, id: i32, expected_version: Option<i64>) -> Result<(), Error> {
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        lock_at(&mut transaction, id, expected_version).await?;
        products::archive(&mut transaction, id).await?;
        images::remove_pictures(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}

async fn lock_at(
    db: &mut PgConnection,
    id: i32,
    expected_version: Option<i64>,
) -> Result<products::Locked, Error> {
    let locked = products::lock(db, id).await?.ok_or(Error::ProductNotFound)?;
    match expected_version {
        Some(expected) if expected != locked.version => {
            Err(Error::VersionMismatch { actual: locked.version })
        }
        Some(_) | None => Ok(locked),
    }
}

/// Locks what a product is to be labelled with, so that no rename passes it by; the id of the category, and what of it
/// all is not there.
async fn lock_labels(
    db: &mut PgConnection,
    category: Option<&Ref>,
    tag_ids: &[i32],
) -> sqlx::Result<(Option<i32>, Violations)> {
    let mut violations = Violations::new();
    let wanted = match category {
        Some(Ref::Id(id)) => vec![*id],
        Some(Ref::Name(name)) => categories::ids_of(&mut *db, std::slice::from_ref(name)).await?,
        None => Vec::new(),
    };
    let category_ids = if wanted.is_empty() { Vec::new() } else { categories::lock(db, &wanted).await? };
    violations.require(category_ids == wanted, "category", "is not there");

    let known = if tag_ids.is_empty() { Vec::new() } else { tags::lock(db, tag_ids).await? };
    let unknown: Vec<_> = tag_ids.iter().filter(|id| !known.contains(id)).map(ToString::to_string).collect();
    violations.require(unknown.is_empty(), "tag_ids", format!("are not there: {}", unknown.join(", ")));
    Ok((category_ids.first().copied(), violations))
}
