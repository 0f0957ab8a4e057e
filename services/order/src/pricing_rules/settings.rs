//! The settings of the store.

use bodega_audit::{Event, Subject};
use bodega_runtime::{auth::Caller, database::Pool, status::Violations};
use serde_json::{Value, json};

use super::db::settings as db;
use crate::{AUDIT, error::Error, fields::parse_country};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreSettings {
    /// Whether an order of items that are shipped needs an address and a shipping method.
    pub require_shipping: bool,
    /// The country of orders without an address.
    pub country: Option<String>,
    pub prices_include_tax: bool,
}

impl StoreSettings {
    /// # Errors
    /// An invalid country.
    pub(crate) fn parse(
        require_shipping: bool,
        country: &str,
        prices_include_tax: bool,
    ) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let country = match country {
            "" => None,
            country => Some(parse_country(country, "country", &mut violations)),
        };
        violations.finish()?;
        Ok(Self { require_shipping, country, prices_include_tax })
    }

    fn audited(&self) -> Value {
        json!({
            "require_shipping": self.require_shipping,
            "country": self.country,
            "prices_include_tax": self.prices_include_tax,
        })
    }
}

pub(crate) async fn find(db: &Pool) -> sqlx::Result<StoreSettings> {
    db::find(db).await
}

pub(crate) async fn update(
    db: &Pool,
    caller: &Caller,
    settings: StoreSettings,
) -> Result<StoreSettings, Error> {
    let mut transaction = db.begin().await?;
    let before = db::begin_change(&mut transaction).await?;
    db::update(&mut transaction, &settings).await?;
    let event = Event::new("settings.updated", caller).on(Subject::new("settings", "store"));
    let event = event.change(Some(&before.audited()), Some(&settings.audited()));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(settings)
}
