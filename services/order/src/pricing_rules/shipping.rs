//! Listing, creating, replacing and deleting shipping zones.

use bodega_audit::{Event, Subject};
use bodega_runtime::{auth::Caller, database::Pool, status::violated_constraint};
use serde_json::json;

use super::{
    db::{settings, shipping as db},
    zone::Zone,
};
use crate::{AUDIT, error::Error};

const MAX_ZONES: usize = 100;

pub(crate) async fn list(db: &Pool) -> sqlx::Result<Vec<Zone>> {
    db::list(db, None).await
}

/// # Errors
/// [`Error::ShippingZoneNotFound`].
pub(crate) async fn find(db: &Pool, id: i32) -> Result<Zone, Error> {
    db::list(db, Some(id)).await?.pop().ok_or(Error::ShippingZoneNotFound)
}

/// Creates a validated zone.
///
/// # Errors
/// [`Error::ShippingPlaceTaken`] or [`Error::TooManyShippingZones`].
pub(crate) async fn create(db: &Pool, caller: &Caller, mut zone: Zone) -> Result<Zone, Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    if db::list(&mut *transaction, None).await?.len() >= MAX_ZONES {
        return Err(Error::TooManyShippingZones(MAX_ZONES));
    }
    let empty = Zone { id: 0, name: String::new(), places: Vec::new(), methods: Vec::new() };
    zone.match_methods(&empty)?;
    zone.id = db::insert(&mut transaction, &zone.name).await?;
    db::save(&mut transaction, &zone).await.map_err(place_taken)?;
    let zone = db::list(&mut *transaction, Some(zone.id)).await?.pop().ok_or(Error::ShippingZoneNotFound)?;
    let event = Event::new("shipping_zone.created", caller).on(Subject::new("shipping_zone", zone.id));
    AUDIT.record(&mut transaction, event.change(None, Some(&json!(zone)))).await?;
    transaction.commit().await?;
    Ok(zone)
}

/// Replaces a zone with a validated one, whose id names it.
///
/// # Errors
/// As [`find`] and [`create`]; an unknown method.
pub(crate) async fn replace(db: &Pool, caller: &Caller, mut zone: Zone) -> Result<Zone, Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    let before =
        db::list(&mut *transaction, Some(zone.id)).await?.pop().ok_or(Error::ShippingZoneNotFound)?;
    zone.match_methods(&before)?;
    db::save(&mut transaction, &zone).await.map_err(place_taken)?;
    let zone = db::list(&mut *transaction, Some(zone.id)).await?.pop().ok_or(Error::ShippingZoneNotFound)?;
    let event = Event::new("shipping_zone.updated", caller).on(Subject::new("shipping_zone", zone.id));
    AUDIT.record(&mut transaction, event.change(Some(&json!(before)), Some(&json!(zone)))).await?;
    transaction.commit().await?;
    Ok(zone)
}

/// # Errors
/// [`Error::ShippingZoneNotFound`].
pub(crate) async fn delete(db: &Pool, caller: &Caller, id: i32) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    let before = db::list(&mut *transaction, Some(id)).await?.pop().ok_or(Error::ShippingZoneNotFound)?;
    db::delete(&mut transaction, id).await?;
    let event = Event::new("shipping_zone.deleted", caller).on(Subject::new("shipping_zone", id));
    AUDIT.record(&mut transaction, event.change(Some(&json!(before)), None)).await?;
    transaction.commit().await?;
    Ok(())
}

fn place_taken(error: sqlx::Error) -> Error {
    match violated_constraint(&error) {
        Some("one_zone_per_place") => Error::ShippingPlaceTaken,
        _ => Error::Database(error),
    }
}
