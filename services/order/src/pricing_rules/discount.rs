//! A discount, and its rules.

use bodega_runtime::status::Violations;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::fields::parse_code;

const MAX_TITLE_LENGTH: usize = 100;
const MAX_PRODUCTS: usize = 1_000;
const MAX_CATEGORIES: usize = 100;
const MAX_RATE_PPM: i32 = 1_000_000;
const MAX_USES: i64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Class {
    Line,
    Order,
    Shipping,
}

impl Class {
    /// Returns its name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Order => "order",
            Self::Shipping => "shipping",
        }
    }
}

/// What admins choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewDiscount {
    /// In upper case; `None` for a discount that applies without a code.
    pub code: Option<String>,
    pub title: String,
    pub class: Class,
    /// Either a rate or an amount.
    pub rate_ppm: Option<i32>,
    pub amount_minor: Option<i64>,
    pub min_subtotal_minor: i64,
    /// It applies to all products if both lists are empty.
    pub product_ids: Vec<i32>,
    pub category_ids: Vec<i32>,
    pub once_per_customer: bool,
    pub usage_limit: Option<i64>,
    pub starts_at: Option<OffsetDateTime>,
    pub ends_at: Option<OffsetDateTime>,
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discount {
    pub id: i64,
    pub chosen: NewDiscount,
    /// The uses of orders that were not cancelled.
    pub used: i64,
    pub created_at: OffsetDateTime,
}

impl NewDiscount {
    /// Validates a discount.
    ///
    /// # Errors
    /// The invalid fields.
    pub(crate) fn parse(mut self) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let code = self.code.filter(|code| !code.is_empty());
        self.code = code.map(|code| parse_code(&code, "code", &mut violations));
        self.title = self.title.trim().to_owned();
        violations.require_text(&self.title, 1, MAX_TITLE_LENGTH, "title");

        let has_one_value = self.rate_ppm.is_some() != self.amount_minor.is_some();
        violations.require(has_one_value, "rate_ppm", "or an amount must be given, and not both");
        let is_rate = self.rate_ppm.is_none_or(|rate| (1..=MAX_RATE_PPM).contains(&rate));
        violations.require(is_rate, "rate_ppm", "must be more than 0 and at most 100 percent");
        let is_amount = self.amount_minor.is_none_or(|amount| amount > 0);
        violations.require(is_amount, "amount_minor", "must be greater than 0");
        violations.require(self.min_subtotal_minor >= 0, "min_subtotal_minor", "must not be negative");
        let is_limit = self.usage_limit.is_none_or(|limit| (1..=MAX_USES).contains(&limit));
        violations.require(is_limit, "usage_limit", format!("must be between 1 and {MAX_USES}"));
        // Postgres stores microseconds.
        self.starts_at = self.starts_at.map(without_nanoseconds);
        self.ends_at = self.ends_at.map(without_nanoseconds);
        let is_period =
            self.starts_at.zip(self.ends_at).is_none_or(|(starts_at, ends_at)| starts_at < ends_at);
        violations.require(is_period, "ends_at", "must be after the start");
        parse_ids(&mut self.product_ids, "product_ids", MAX_PRODUCTS, &mut violations);
        parse_ids(&mut self.category_ids, "category_ids", MAX_CATEGORIES, &mut violations);
        violations.finish()?;
        Ok(self)
    }

    pub(super) fn audited(&self) -> Value {
        json!({
            "code": self.code,
            "title": self.title,
            "class": self.class.as_str(),
            "rate_ppm": self.rate_ppm,
            "amount_minor": self.amount_minor,
            "min_subtotal_minor": self.min_subtotal_minor,
            "products": self.product_ids.len(),
            "categories": self.category_ids.len(),
            "once_per_customer": self.once_per_customer,
            "usage_limit": self.usage_limit,
            "starts_at": self.starts_at.map(OffsetDateTime::unix_timestamp),
            "ends_at": self.ends_at.map(OffsetDateTime::unix_timestamp),
            "active": self.active,
        })
    }
}

fn without_nanoseconds(time: OffsetDateTime) -> OffsetDateTime {
    time - Duration::nanoseconds(i64::from(time.nanosecond() % 1_000))
}

/// Sorts ids and removes repetitions.
fn parse_ids(ids: &mut Vec<i32>, field: &str, max: usize, violations: &mut Violations) {
    violations.require(ids.len() <= max, field, format!("must have at most {max} items"));
    violations.require(ids.iter().all(|id| *id > 0), field, "must contain ids greater than 0");
    ids.sort_unstable();
    ids.dedup();
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn spring() -> NewDiscount {
        NewDiscount {
            code: Some(" spring-24 ".to_owned()),
            title: "Spring sale".to_owned(),
            class: Class::Order,
            rate_ppm: Some(100_000),
            amount_minor: None,
            min_subtotal_minor: 0,
            product_ids: vec![2, 1, 2],
            category_ids: Vec::new(),
            once_per_customer: false,
            usage_limit: Some(50),
            starts_at: None,
            ends_at: None,
            active: true,
        }
    }

    fn error(discount: NewDiscount) -> String {
        discount.parse().unwrap_err().to_string()
    }

    #[test]
    fn codes_are_in_upper_case_and_ids_in_order() {
        let discount = spring().parse().unwrap();
        assert_eq!(discount.code.as_deref(), Some("SPRING-24"));
        assert_eq!(discount.product_ids, [1, 2]);
        let automatic = NewDiscount { code: Some(String::new()), ..spring() }.parse().unwrap();
        assert_eq!(automatic.code, None);
    }

    #[test]
    fn names_the_invalid_fields() {
        for code in [" ", "a b", "é", &"X".repeat(65)] {
            let discount = NewDiscount { code: Some(code.to_owned()), ..spring() };
            assert!(error(discount).starts_with("code must have 1 to 64"), "{code}");
        }
        assert!(error(NewDiscount { title: " ".to_owned(), ..spring() }).starts_with("title"));
        let both = NewDiscount { amount_minor: Some(1), ..spring() };
        assert_eq!(error(both), "rate_ppm or an amount must be given, and not both");
        let none = NewDiscount { rate_ppm: None, ..spring() };
        assert_eq!(error(none), "rate_ppm or an amount must be given, and not both");
        for rate in [0, -1, 1_000_001] {
            assert!(error(NewDiscount { rate_ppm: Some(rate), ..spring() }).starts_with("rate_ppm must be"));
        }
        let free = NewDiscount { rate_ppm: None, amount_minor: Some(0), ..spring() };
        assert_eq!(error(free), "amount_minor must be greater than 0");
        assert!(error(NewDiscount { usage_limit: Some(0), ..spring() }).starts_with("usage_limit"));
        assert!(error(NewDiscount { min_subtotal_minor: -1, ..spring() }).starts_with("min_subtotal_minor"));
        assert!(error(NewDiscount { product_ids: vec![0], ..spring() }).starts_with("product_ids"));
        assert!(error(NewDiscount { category_ids: vec![1; 101], ..spring() }).starts_with("category_ids"));
        let at = Some(datetime!(2026-12-01 00:00 UTC));
        assert!(error(NewDiscount { starts_at: at, ends_at: at, ..spring() }).starts_with("ends_at"));
        let ends_at = Some(datetime!(2026-12-01 00:00:00.000000999 UTC));
        let within_a_microsecond = NewDiscount { starts_at: at, ends_at, ..spring() };
        assert!(error(within_a_microsecond).starts_with("ends_at"));
    }
}
