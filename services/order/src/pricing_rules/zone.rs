//! Shipping zones: places with the same shipping methods.

use std::collections::HashSet;

use bodega_runtime::status::Violations;
use serde::{Deserialize, Serialize};

use crate::fields::{parse_country, parse_region};

const MAX_PLACES: usize = 300;
const MAX_METHODS: usize = 20;
const MAX_RATES: usize = 50;
const MAX_NAME_LENGTH: usize = 100;
/// Greatest price of shipping, and greatest start of a rate: with that of products, totals have at most 64 bits.
const MAX_AMOUNT: i64 = 1_000_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Zone {
    /// 0 for a new one.
    pub id: i32,
    pub name: String,
    pub places: Vec<ZonePlace>,
    /// In the order in which customers see them.
    pub methods: Vec<Method>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ZonePlace {
    pub country: String,
    /// In upper case; empty for the whole country.
    pub region: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Method {
    /// 0 for a new one.
    pub id: i32,
    pub title: String,
    pub kind: Kind,
    pub basis: Basis,
    pub rates: Vec<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Kind {
    Delivery,
    Pickup,
}

/// What the price of a method depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Basis {
    Flat,
    Subtotal,
    Weight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rate {
    /// Minor units, or grams.
    pub at_least: i64,
    pub price_minor: i64,
}

impl Zone {
    /// Validates a zone.
    ///
    /// # Errors
    /// The invalid fields, as `methods[0].rates[1].price_minor`.
    pub(crate) fn parse(mut self) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let counts = (1..=MAX_PLACES).contains(&self.places.len());
        violations.require(counts, "places", format!("must have 1 to {MAX_PLACES} items"));
        let counts = self.methods.len() <= MAX_METHODS;
        violations.require(counts, "methods", format!("must have at most {MAX_METHODS} items"));
        violations.finish()?;

        let mut violations = Violations::new();
        self.name = self.name.trim().to_owned();
        violations.require_text(&self.name, 1, MAX_NAME_LENGTH, "name");
        let mut known = HashSet::new();
        for (index, place) in self.places.iter_mut().enumerate() {
            let field = format!("places[{index}]");
            place.country = parse_country(&place.country, &format!("{field}.country"), &mut violations);
            place.region = parse_region(&place.region, &format!("{field}.region"), &mut violations);
            violations.require(known.insert(place.clone()), &field, "is given twice");
        }
        let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
        for (index, method) in self.methods.iter_mut().enumerate() {
            let field = format!("methods[{index}]");
            method.parse(&field, &mut violations);
            let is_new = method.id == 0 || ids.insert(method.id);
            violations.require(is_new, &format!("{field}.id"), "is given twice");
            let is_new = titles.insert(method.title.to_lowercase());
            violations.require(is_new, &format!("{field}.title"), "is given twice");
        }
        violations.finish()?;
        Ok(self)
    }

    /// Gives methods without an id that of the method of `before` with the same title. Other methods are new.
    ///
    /// # Errors
    /// An id that is not that of a method of `before`.
    pub(super) fn match_methods(&mut self, before: &Self) -> Result<(), Violations> {
        let mut violations = Violations::new();
        let mut ids: HashSet<_> = self.methods.iter().map(|method| method.id).collect();
        for (index, method) in self.methods.iter_mut().enumerate() {
            if method.id == 0 {
                let title = method.title.to_lowercase();
                let same = before.methods.iter().find(|known| known.title.to_lowercase() == title);
                method.id = same.map(|known| known.id).filter(|id| ids.insert(*id)).unwrap_or_default();
            } else {
                let is_known = before.methods.iter().any(|known| known.id == method.id);
                violations.require(is_known, &format!("methods[{index}].id"), "is not a method of this zone");
            }
        }
        violations.finish()
    }
}

impl Method {
    fn parse(&mut self, field: &str, violations: &mut Violations) {
        self.title = self.title.trim().to_owned();
        violations.require_text(&self.title, 1, MAX_NAME_LENGTH, &format!("{field}.title"));
        violations.require(self.id >= 0, &format!("{field}.id"), "must be the id of a method");
        let max = if self.basis == Basis::Flat { 1 } else { MAX_RATES };
        let message =
            if max == 1 { "must have 1 item".to_owned() } else { format!("must have 1 to {max} items") };
        violations.require((1..=max).contains(&self.rates.len()), &format!("{field}.rates"), message);
        let mut known = HashSet::new();
        for (index, rate) in self.rates.iter().enumerate().take(MAX_RATES) {
            let rate_field = format!("{field}.rates[{index}]");
            let start = format!("{rate_field}.at_least");
            let is_in_range = |amount: i64| (0..=MAX_AMOUNT).contains(&amount);
            let unit = if self.basis == Basis::Weight { "grams" } else { "minor units" };
            let message = format!("must be between 0 and {MAX_AMOUNT} {unit}");
            violations.require(is_in_range(rate.at_least), &start, message);
            let starts = self.basis != Basis::Flat || rate.at_least == 0;
            violations.require(starts, &start, "must be 0 for the basis flat");
            violations.require(known.insert(rate.at_least), &start, "is given twice");
            let price = format!("{rate_field}.price_minor");
            let message = format!("must be between 0 and {MAX_AMOUNT} minor units");
            violations.require(is_in_range(rate.price_minor), &price, message);
        }
        self.rates.sort_unstable_by_key(|rate| rate.at_least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(id: i32, title: &str, basis: Basis, rates: &[(i64, i64)]) -> Method {
        let rates = rates
            .iter()
            .map(|(at_least, price_minor)| Rate { at_least: *at_least, price_minor: *price_minor });
        Method { id, title: title.to_owned(), kind: Kind::Delivery, basis, rates: rates.collect() }
    }

    fn zone(places: &[(&str, &str)], methods: Vec<Method>) -> Zone {
        let places = places.iter().map(|(country, region)| ZonePlace {
            country: (*country).to_owned(),
            region: (*region).to_owned(),
        });
        Zone { id: 0, name: "Home".to_owned(), places: places.collect(), methods }
    }

    fn error(zone: Zone) -> String {
        zone.parse().unwrap_err().to_string()
    }

    #[test]
    fn a_valid_zone_has_its_rates_in_order() {
        let parcel = method(0, " Parcel ", Basis::Subtotal, &[(5000, 0), (0, 490)]);
        let zone = zone(&[("de", ""), ("US", "ca")], vec![parcel]).parse().unwrap();
        assert_eq!(zone.places[1], ZonePlace { country: "US".to_owned(), region: "CA".to_owned() });
        assert_eq!(zone.methods[0], method(0, "Parcel", Basis::Subtotal, &[(0, 490), (5000, 0)]));
    }

    #[test]
    fn names_the_invalid_fields() {
        let flat = |rates| vec![method(0, "Parcel", Basis::Flat, rates)];
        assert_eq!(error(zone(&[], flat(&[(0, 1)]))), "places must have 1 to 300 items");
        assert!(error(zone(&[("DE", ""), ("de", " ")], vec![])).starts_with("places[1] is given twice"));
        assert!(error(zone(&[("D", "")], vec![])).starts_with("places[0].country must be an ISO"));
        let de = [("DE", "")];
        assert_eq!(error(zone(&de, flat(&[]))), "methods[0].rates must have 1 item");
        assert_eq!(
            error(zone(&de, flat(&[(1, 0)]))),
            "methods[0].rates[0].at_least must be 0 for the basis flat"
        );
        let invalid = [[(0, -1)], [(0, MAX_AMOUNT + 1)]];
        for rates in &invalid {
            let message = "methods[0].rates[0].price_minor must be between 0 and 1000000000000 minor units";
            assert_eq!(error(zone(&de, flat(rates))), message);
        }
        let weight = vec![method(0, "Parcel", Basis::Weight, &[(5, 1), (5, 2)])];
        assert_eq!(error(zone(&de, weight)), "methods[0].rates[1].at_least is given twice");
        let twice =
            vec![method(0, "Parcel", Basis::Flat, &[(0, 1)]), method(0, "parcel", Basis::Flat, &[(0, 1)])];
        assert_eq!(error(zone(&de, twice)), "methods[1].title is given twice");
    }

    #[test]
    fn methods_are_recognized_by_id_or_else_by_title() {
        let named = |id, title| method(id, title, Basis::Flat, &[(0, 1)]);
        let before = zone(&[("DE", "")], vec![named(3, "Parcel"), named(4, "Express")]);
        let mut after =
            zone(&[("DE", "")], vec![named(4, "Courier"), named(0, "parcel"), named(0, "Express")]);
        after.match_methods(&before).unwrap();
        let ids: Vec<_> = after.methods.iter().map(|method| method.id).collect();
        assert_eq!(ids, [4, 3, 0], "the method 4 has another title now");
        let mut other = zone(&[("DE", "")], vec![named(7, "Parcel")]);
        let violations = other.match_methods(&before).unwrap_err();
        assert_eq!(violations.to_string(), "methods[0].id is not a method of this zone");
    }
}
