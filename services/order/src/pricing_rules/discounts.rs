//! Listing, creating, replacing and deleting discounts.

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::Caller,
    database::Pool,
    page,
    status::{Violations, violated_constraint},
};

use super::{
    db::{discounts as db, settings},
    discount::{Discount, NewDiscount},
};
use crate::{AUDIT, error::Error};

/// Discounts that apply without a code. All of them are read for each order.
const MAX_AUTOMATIC: i64 = 100;

/// Returns up to `limit` discounts, newest first, and the cursor of the next page. With a `code`, only the discount that has it.
pub(crate) async fn list(
    db: &Pool,
    code: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<(Vec<Discount>, String)> {
    let mut discounts = db::list(db, None, code, before, limit + 1).await?;
    let next_cursor = page::truncate(&mut discounts, limit, |discount| discount.id);
    Ok((discounts, next_cursor))
}

/// # Errors
/// [`Error::DiscountNotFound`].
pub(crate) async fn find(db: &Pool, id: i64) -> Result<Discount, Error> {
    db::list(db, Some(id), None, None, 1).await?.pop().ok_or(Error::DiscountNotFound)
}

/// Creates a validated discount.
///
/// # Errors
/// [`Error::DiscountCodeExists`] or [`Error::TooManyDiscounts`].
pub(crate) async fn create(db: &Pool, caller: &Caller, chosen: &NewDiscount) -> Result<Discount, Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    let id = db::insert(&mut transaction, chosen).await.map_err(code_exists)?;
    if db::count_automatic(&mut transaction).await? > MAX_AUTOMATIC {
        return Err(Error::TooManyDiscounts(MAX_AUTOMATIC));
    }
    let created = db::list(&mut *transaction, Some(id), None, None, 1).await?.pop();
    let created = created.ok_or(Error::DiscountNotFound)?;
    let event = Event::new("discount.created", caller).on(Subject::new("discount", id));
    AUDIT.record(&mut transaction, event.change(None, Some(&created.chosen.audited()))).await?;
    transaction.commit().await?;
    Ok(created)
}

/// Replaces a discount with a validated one. Its uses remain.
///
/// # Errors
/// As [`find`] and [`create`]; a limit below the number of uses.
pub(crate) async fn replace(
    db: &Pool,
    caller: &Caller,
    id: i64,
    chosen: &NewDiscount,
) -> Result<Discount, Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    // Waits for orders that are being placed with the discount; those that follow wait for the change.
    if !db::lock(&mut transaction, id).await? {
        return Err(Error::DiscountNotFound);
    }
    let before = db::list(&mut *transaction, Some(id), None, None, 1).await?.pop();
    let before = before.ok_or(Error::DiscountNotFound)?;
    let used = db::count_uses(&mut transaction, id).await?;
    if let Some(limit) = chosen.usage_limit.filter(|limit| *limit < used) {
        let mut violations = Violations::new();
        violations.add("usage_limit", format!("must be at least {used}, the number of uses, not {limit}"));
        return Err(violations.into());
    }
    db::update(&mut transaction, id, chosen, used).await.map_err(code_exists)?;
    if db::count_automatic(&mut transaction).await? > MAX_AUTOMATIC {
        return Err(Error::TooManyDiscounts(MAX_AUTOMATIC));
    }
    let event = Event::new("discount.updated", caller).on(Subject::new("discount", id));
    let event = event.change(Some(&before.chosen.audited()), Some(&chosen.audited()));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(Discount { chosen: chosen.clone(), used, ..before })
}

/// Deletes a discount: its code can be used for another one. The orders that use it keep it.
///
/// # Errors
/// [`Error::DiscountNotFound`].
pub(crate) async fn delete(db: &Pool, caller: &Caller, id: i64) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    let before = db::list(&mut *transaction, Some(id), None, None, 1).await?.pop();
    let before = before.ok_or(Error::DiscountNotFound)?;
    db::archive(&mut transaction, id).await?;
    let event = Event::new("discount.deleted", caller).on(Subject::new("discount", id));
    AUDIT.record(&mut transaction, event.change(Some(&before.chosen.audited()), None)).await?;
    transaction.commit().await?;
    Ok(())
}

fn code_exists(error: sqlx::Error) -> Error {
    match violated_constraint(&error) {
        Some("one_discount_per_code") => Error::DiscountCodeExists,
        _ => Error::Database(error),
    }
}
