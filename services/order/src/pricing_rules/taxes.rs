//! The table of tax rates, which is replaced as a whole.

use std::collections::HashSet;

use bodega_audit::{Event, Subject};
use bodega_runtime::{auth::Caller, database::Pool, status::Violations};
use serde::Serialize;
use serde_json::json;

use super::db::{settings, taxes as db};
use crate::{
    AUDIT,
    error::Error,
    fields::{parse_country, parse_region},
};

const MAX_RATES: usize = 1_000;
const MAX_NAME_LENGTH: usize = 50;
const MAX_RATE_PPM: i32 = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TaxRate {
    pub country: String,
    /// In upper case; empty for the whole country.
    pub region: String,
    /// In lower case.
    pub tax_class: String,
    pub name: String,
    pub rate_ppm: i32,
}

/// Validates a table of rates.
///
/// # Errors
/// The invalid fields, as `rates[0].country`.
pub(crate) fn parse(rates: Vec<TaxRate>) -> Result<Vec<TaxRate>, Violations> {
    let mut violations = Violations::new();
    violations.require(rates.len() <= MAX_RATES, "rates", format!("must have at most {MAX_RATES} items"));
    violations.finish()?;
    let mut violations = Violations::new();
    let mut known = HashSet::new();
    let mut parsed = Vec::with_capacity(rates.len());
    for (index, rate) in rates.into_iter().enumerate() {
        let field = |name: &str| format!("rates[{index}].{name}");
        let country = parse_country(&rate.country, &field("country"), &mut violations);
        let region = parse_region(&rate.region, &field("region"), &mut violations);
        let tax_class = rate.tax_class.trim().to_lowercase();
        violations.require_text(&tax_class, 1, MAX_NAME_LENGTH, &field("tax_class"));
        let name = rate.name.trim().to_owned();
        violations.require_text(&name, 1, MAX_NAME_LENGTH, &field("name"));
        let is_rate = (0..=MAX_RATE_PPM).contains(&rate.rate_ppm);
        violations.require(is_rate, &field("rate_ppm"), "must be between 0 and 100 percent");
        let is_new = known.insert((country.clone(), region.clone(), tax_class.clone()));
        violations.require(
            is_new,
            &format!("rates[{index}]"),
            "has the place and the tax class of another one",
        );
        parsed.push(TaxRate { country, region, tax_class, name, rate_ppm: rate.rate_ppm });
    }
    violations.finish()?;
    Ok(parsed)
}

pub(crate) async fn list(db: &Pool) -> sqlx::Result<Vec<TaxRate>> {
    db::list(db).await
}

/// Replaces all rates with validated ones.
pub(crate) async fn replace(db: &Pool, caller: &Caller, rates: &[TaxRate]) -> Result<Vec<TaxRate>, Error> {
    let mut transaction = db.begin().await?;
    settings::begin_change(&mut transaction).await?;
    let before = db::list(&mut *transaction).await?;
    db::replace(&mut transaction, rates).await?;
    let after = db::list(&mut *transaction).await?;
    let event = Event::new("tax_rates.replaced", caller).on(Subject::new("settings", "tax"));
    let event = event.details(json!({ "rates": after.len() }));
    let state = |rates: &[TaxRate]| Some(json!(rates).to_string());
    AUDIT.record(&mut transaction, event.states(state(&before), state(&after))).await?;
    transaction.commit().await?;
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(country: &str, region: &str, rate_ppm: i32) -> TaxRate {
        TaxRate {
            country: country.to_owned(),
            region: region.to_owned(),
            tax_class: "standard".to_owned(),
            name: "VAT".to_owned(),
            rate_ppm,
        }
    }

    fn error(rates: Vec<TaxRate>) -> String {
        parse(rates).unwrap_err().to_string()
    }

    #[test]
    fn rates_of_different_places_are_accepted() {
        let rates =
            parse(vec![rate("us", "", 0), rate("US", "ca", 72_500), rate("DE", "", 1_000_000)]).unwrap();
        let places: Vec<_> = rates.iter().map(|rate| (&*rate.country, &*rate.region)).collect();
        assert_eq!(places, [("US", ""), ("US", "CA"), ("DE", "")]);
    }

    #[test]
    fn names_the_invalid_fields_of_each_rate() {
        assert_eq!(
            error(vec![rate("US", "", 0), rate("USA", "", -1)]),
            "rates[1].country must be an ISO 3166-1 alpha-2 code such as US; \
             rates[1].rate_ppm must be between 0 and 100 percent"
        );
        assert!(error(vec![rate("DE", "", 1_000_001)]).starts_with("rates[0].rate_ppm"));
        assert!(error(vec![rate("US", "ca", 1), rate("us", "CA", 2)]).starts_with("rates[1] has the place"));
        let standard = TaxRate { tax_class: "Standard ".to_owned(), ..rate("US", "", 1) };
        assert!(error(vec![rate("US", "", 1), standard]).starts_with("rates[1] has the place"));
        assert!(
            error(vec![TaxRate { name: " ".to_owned(), ..rate("DE", "", 1) }]).starts_with("rates[0].name")
        );
        assert_eq!(error(vec![rate("DE", "", 1); 1001]), "rates must have at most 1000 items");
    }
}
