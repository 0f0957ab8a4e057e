//! A declared variant, and its validation.

use std::collections::HashSet;

use bodega_proto::catalog::v1::{self as pb, PutVariantsRequest};
use bodega_runtime::{money::Currency, status::Violations};

use super::db::Variant;
use crate::text;

const MAX_VARIANTS: usize = 250;
const MAX_OPTIONS: usize = 3;
const MAX_OPTION_CHARS: usize = 50;
const MAX_SKU_CHARS: usize = 100;
const MAX_BARCODE_CHARS: usize = 50;
const MAX_PRICE_MINOR: i64 = 1_000_000_000_000;
const MAX_STOCK: i32 = 1_000_000_000;
const MAX_WEIGHT_GRAMS: i32 = 10_000_000;
const MAX_TAX_CLASS_CHARS: usize = 50;
const DEFAULT_TAX_CLASS: &str = "standard";

/// All variants that a product is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Declaration {
    pub(super) option_names: Vec<String>,
    /// At least one, in display order.
    pub(super) variants: Vec<DeclaredVariant>,
    /// ISO 4217 code of all prices.
    pub(super) currency: String,
    /// Whether it is the change of one variant, whose fields the request has.
    pub(super) is_update: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DeclaredVariant {
    /// `None` if it is to be recognized by its SKU or options, or is new.
    pub(super) id: Option<i32>,
    pub(super) sku: Option<String>,
    pub(super) barcode: Option<String>,
    pub(super) option_values: Vec<String>,
    pub(super) price_minor: i64,
    pub(super) compare_at_minor: Option<i64>,
    /// `None` leaves the stock unchanged.
    pub(super) stock: Option<i32>,
    pub(super) weight_grams: i32,
    pub(super) requires_shipping: bool,
    pub(super) tax_class: String,
    pub(super) image_id: Option<i64>,
}

impl Declaration {
    /// Returns the name of a variant's field in the request.
    pub(super) fn field(&self, index: usize, name: &str) -> String {
        if self.is_update { name.to_owned() } else { format!("variants[{index}].{name}") }
    }

    /// # Errors
    /// All invalid fields.
    pub(super) fn parse(request: PutVariantsRequest, currency: Currency) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let message = format!("must have at most {MAX_OPTIONS} entries");
        violations.require(request.option_names.len() <= MAX_OPTIONS, "option_names", message);
        let option_names = parse_options(&request.option_names, "option_names", &mut violations);
        let are_unique = all_differ(option_names.iter().map(|name| name.to_lowercase()));
        violations.require(are_unique, "option_names", "must differ");

        let message = format!("must have between 1 and {MAX_VARIANTS} entries");
        violations.require((1..=MAX_VARIANTS).contains(&request.variants.len()), "variants", message);
        let variants = request.variants.into_iter().take(MAX_VARIANTS).enumerate();
        let variants: Vec<_> = variants
            .map(|(index, variant)| {
                parse(variant, &format!("variants[{index}]."), option_names.len(), &mut violations)
            })
            .collect();
        let require_unique = |are_unique: bool, message: &str, violations: &mut Violations| {
            violations.require(are_unique, "variants", message);
        };
        require_unique(
            all_differ(variants.iter().map(|variant| &variant.option_values)),
            "must differ in their options",
            &mut violations,
        );
        require_unique(
            all_differ(variants.iter().filter_map(DeclaredVariant::sku_key)),
            "must have different SKUs",
            &mut violations,
        );
        require_unique(
            all_differ(variants.iter().filter_map(|variant| variant.id)),
            "must have different ids",
            &mut violations,
        );
        violations.finish()?;
        Ok(Self { option_names, variants, currency: currency.code().to_owned(), is_update: false })
    }
}

/// Declares a variant as it is.
impl From<&Variant> for DeclaredVariant {
    fn from(variant: &Variant) -> Self {
        Self {
            id: Some(variant.id),
            sku: variant.sku.clone(),
            barcode: variant.barcode.clone(),
            option_values: variant.option_values.clone(),
            price_minor: variant.price_minor,
            compare_at_minor: variant.compare_at_minor,
            stock: None,
            weight_grams: variant.weight_grams,
            requires_shipping: variant.requires_shipping,
            tax_class: variant.tax_class.clone(),
            image_id: variant.image_id,
        }
    }
}

impl DeclaredVariant {
    /// Returns the SKU as it is compared.
    pub(super) fn sku_key(&self) -> Option<String> {
        self.sku.as_deref().map(str::to_lowercase)
    }
}

fn all_differ<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> bool {
    let mut known = HashSet::new();
    values.into_iter().all(|value| known.insert(value))
}

/// `prefix` is that of the names of the fields.
pub(super) fn parse(
    variant: pb::Variant,
    prefix: &str,
    options: usize,
    violations: &mut Violations,
) -> DeclaredVariant {
    let field = |name: &str| format!("{prefix}{name}");
    let mut optional = |text: &str, max: usize, name: &str| {
        let is_set = !text.trim().is_empty();
        is_set.then(|| text::single_line(text, max, &field(name), violations))
    };
    let sku = optional(&variant.sku, MAX_SKU_CHARS, "sku");
    let barcode = optional(&variant.barcode, MAX_BARCODE_CHARS, "barcode");
    let tax_class = optional(&variant.tax_class, MAX_TAX_CLASS_CHARS, "tax_class");
    violations.require(variant.id >= 0, &field("id"), "must not be negative");
    let message = format!("must have {options} entries, one for each option");
    violations.require(variant.option_values.len() == options, &field("option_values"), message);
    let is_price = |price: i64| (0..=MAX_PRICE_MINOR).contains(&price);
    let message = format!("must be between 0 and {MAX_PRICE_MINOR} minor units");
    violations.require(is_price(variant.price_minor), &field("price_minor"), message.as_str());
    let has_valid_compare_at = variant.compare_at_minor.is_none_or(is_price);
    violations.require(has_valid_compare_at, &field("compare_at_minor"), message);
    violations.require(
        variant.stock.is_none_or(|stock| (0..=MAX_STOCK).contains(&stock)),
        &field("stock"),
        format!("must be between 0 and {MAX_STOCK}"),
    );
    violations.require(
        (0..=MAX_WEIGHT_GRAMS).contains(&variant.weight_grams),
        &field("weight_grams"),
        format!("must be between 0 and {MAX_WEIGHT_GRAMS}"),
    );
    DeclaredVariant {
        id: Some(variant.id).filter(|id| *id > 0),
        sku,
        barcode,
        option_values: parse_options(
            &variant.option_values[..variant.option_values.len().min(MAX_OPTIONS)],
            &field("option_values"),
            violations,
        ),
        price_minor: variant.price_minor,
        compare_at_minor: variant.compare_at_minor,
        stock: variant.stock,
        weight_grams: variant.weight_grams,
        requires_shipping: !variant.is_digital,
        tax_class: tax_class.unwrap_or_else(|| DEFAULT_TAX_CLASS.to_owned()),
        image_id: Some(variant.image_id).filter(|id| *id != 0),
    }
}

fn parse_options(options: &[String], field: &str, violations: &mut Violations) -> Vec<String> {
    options.iter().map(|option| text::single_line(option, MAX_OPTION_CHARS, field, violations)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(options: &[&str]) -> pb::Variant {
        let option_values = options.iter().map(|value| (*value).to_owned()).collect();
        pb::Variant { option_values, ..pb::Variant::default() }
    }

    fn violations_of(option_names: &[&str], variants: Vec<pb::Variant>) -> String {
        let option_names = option_names.iter().map(|name| (*name).to_owned()).collect();
        let request = PutVariantsRequest { option_names, variants, ..PutVariantsRequest::default() };
        Declaration::parse(request, "USD".parse().unwrap())
            .map_or_else(|violations| violations.to_string(), |_| String::new())
    }

    #[test]
    fn names_every_invalid_field() {
        let invalid = pb::Variant {
            id: -1,
            sku: "x".repeat(101),
            barcode: "x".repeat(51),
            price_minor: -1,
            compare_at_minor: Some(MAX_PRICE_MINOR + 1),
            stock: Some(-1),
            weight_grams: -1,
            tax_class: "x".repeat(51),
            ..variant(&["M", "red"])
        };
        let message = violations_of(&["Size"], vec![variant(&["S"]), invalid]);
        let fields = ["id", "sku", "barcode", "price_minor", "compare_at_minor", "stock", "weight_grams"];
        for field in fields.into_iter().chain(["tax_class", "option_values"]) {
            assert!(message.contains(&format!("variants[1].{field} ")), "{field}: {message}");
        }
        assert!(!message.contains("variants[0]"), "{message}");
    }

    #[test]
    fn options_have_names_and_values() {
        assert_eq!(violations_of(&["Size"], vec![variant(&["S"]), variant(&["M"])]), "");
        assert_eq!(violations_of(&[], vec![variant(&[])]), "");
        assert!(violations_of(&["a", "b", "c", "d"], vec![variant(&[])]).contains("option_names"));
        assert!(
            violations_of(&["Size", "size"], vec![variant(&["a", "b"])]).contains("option_names must differ")
        );
        assert!(violations_of(&["Size"], vec![variant(&[" "])]).contains("variants[0].option_values"));
    }

    #[test]
    fn variants_differ_in_options_and_skus_and_ids() {
        assert!(violations_of(&[], vec![variant(&[]); 2]).contains("differ in their options"));
        let with_sku = |option: &str, sku: &str| pb::Variant { sku: sku.to_owned(), ..variant(&[option]) };
        assert!(violations_of(&["a"], vec![with_sku("1", "MUG"), with_sku("2", " mug")]).contains("SKUs"));
        assert_eq!(violations_of(&["a"], vec![with_sku("1", ""), with_sku("2", " ")]), "");
        let with_id = |option: &str| pb::Variant { id: 7, ..variant(&[option]) };
        assert!(violations_of(&["a"], vec![with_id("1"), with_id("2")]).contains("different ids"));
    }

    #[test]
    fn a_product_has_1_to_250_variants() {
        let many = |count: usize| (0..count).map(|index| variant(&[&index.to_string()])).collect::<Vec<_>>();
        assert_eq!(violations_of(&["a"], many(250)), "");
        for count in [0, 251] {
            assert!(violations_of(&["a"], many(count)).contains("between 1 and 250"), "{count}");
        }
    }
}
