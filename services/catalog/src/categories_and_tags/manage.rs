//! Listing, creating, renaming and deleting categories and tags.

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::Caller,
    database::{Pool, retry_on_conflict},
    page,
    status::Violations,
};
use serde_json::json;
use sqlx::PgConnection;

use super::{
    category_or_tag::{IdOrName, Kind, parse_name},
    db::{self, CategoryOrTag},
};
use crate::{AUDIT, error::Error};

/// Returns a page, ordered by id, and the cursor of the next one, which is empty on the last page.
///
/// # Errors
/// [`Error::Page`] for an invalid limit or cursor.
pub(crate) async fn list(
    db: &Pool,
    kind: Kind,
    limit: i32,
    cursor: &str,
) -> Result<(Vec<CategoryOrTag>, String), Error> {
    let limit = page::limit(limit, page::MAX_LIMIT)?;
    let after = page::decode(cursor)?.unwrap_or_default();
    let mut rows = db::list(db, kind, after, limit + 1).await?;
    let next_cursor = page::truncate(&mut rows, limit, |last| last.id);
    Ok((rows, next_cursor))
}

/// Returns a category or tag with its number of products.
///
/// # Errors
/// [`Error::CategoryNotFound`] or [`Error::TagNotFound`].
pub(crate) async fn find(db: &Pool, kind: Kind, id: i32) -> Result<CategoryOrTag, Error> {
    db::find(db, kind, id).await?.ok_or_else(|| kind.not_found())
}

/// Creates a category or tag.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::CategoryExists`] or [`Error::TagExists`].
pub(crate) async fn create(
    db: &Pool,
    caller: &Caller,
    kind: Kind,
    name: &str,
) -> Result<CategoryOrTag, Error> {
    let name = parse_name(name)?;
    let mut transaction = db.begin().await?;
    let created = db::insert(&mut *transaction, kind, &name).await?;
    let event = Event::new(kind.actions().created, caller).on(Subject::new(kind.name(), created.id));
    AUDIT.record(&mut transaction, event.change(None, Some(&json!({ "name": name })))).await?;
    transaction.commit().await?;
    Ok(created)
}

/// Renames a category or tag, and raises the versions of its products.
///
/// # Errors
/// As [`find`] and [`create`].
pub(crate) async fn rename(
    db: &Pool,
    caller: &Caller,
    kind: Kind,
    id: i32,
    name: &str,
) -> Result<CategoryOrTag, Error> {
    let name = parse_name(name)?;
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        if !db::rename(&mut *transaction, kind, id, &name).await? {
            return Err(kind.not_found());
        }
        db::raise_versions_of_products(&mut *transaction, kind, id).await?;
        let renamed = db::find(&mut *transaction, kind, id).await?.ok_or_else(|| kind.not_found())?;
        let event = Event::new(kind.actions().updated, caller).on(Subject::new(kind.name(), id));
        AUDIT.record(&mut transaction, event.details(json!({ "name": name }))).await?;
        transaction.commit().await?;
        Ok(renamed)
    })
    .await
}

/// Deletes a category or tag, removes it from its products, and raises their versions.
///
/// # Errors
/// As [`find`].
pub(crate) async fn delete(db: &Pool, caller: &Caller, kind: Kind, id: i32) -> Result<(), Error> {
    retry_on_conflict(async || {
        let mut transaction = db.begin().await?;
        // While it is locked, no product can get it.
        if !db::lock_for_delete(&mut *transaction, kind, id).await? {
            return Err(kind.not_found());
        }
        db::raise_versions_of_products(&mut *transaction, kind, id).await?;
        db::delete(&mut *transaction, kind, id).await?;
        let event = Event::new(kind.actions().deleted, caller).on(Subject::new(kind.name(), id));
        AUDIT.record(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}

/// Locks the future category and tags of a product, so that they are neither renamed nor deleted until the transaction
/// ends. Creates the category if none has the requested name. Returns the category's id, and violations for an
/// unknown category or tag.
pub(crate) async fn lock_for_product(
    db: &mut PgConnection,
    category: Option<&IdOrName>,
    tag_ids: &[i32],
) -> sqlx::Result<(Option<i32>, Violations)> {
    let mut violations = Violations::new();
    let category_ids = match category {
        Some(IdOrName::Id(id)) => vec![*id],
        Some(IdOrName::Name(name)) => {
            db::find_or_create(&mut *db, Kind::Category, std::slice::from_ref(name)).await?
        }
        None => Vec::new(),
    };
    let locked = lock(&mut *db, Kind::Category, &category_ids).await?;
    violations.require(locked == category_ids, "category", "does not exist");

    let locked = lock(db, Kind::Tag, tag_ids).await?;
    let unknown: Vec<_> = tag_ids.iter().filter(|id| !locked.contains(id)).map(ToString::to_string).collect();
    violations.require(
        unknown.is_empty(),
        "tag_ids",
        format!("contains unknown tags: {}", unknown.join(", ")),
    );
    Ok((category_ids.first().copied(), violations))
}

async fn lock(db: &mut PgConnection, kind: Kind, ids: &[i32]) -> sqlx::Result<Vec<i32>> {
    if ids.is_empty() { Ok(Vec::new()) } else { db::lock_for_share(db, kind, ids).await }
}
