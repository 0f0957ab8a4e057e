//! The change of one variant.

use bodega_proto::catalog::v1::{self as pb, UpdateVariantRequest};
use bodega_runtime::{money::Currency, status::Violations};

use super::{
    db::Variant,
    variant::{Declaration, DeclaredVariant, parse},
};
use crate::error::Error;

/// Changes of a variant; `None` leaves a field unchanged.
#[derive(Clone, Debug)]
pub(super) struct VariantUpdate {
    /// `Some(None)` removes it; the same below.
    sku: Option<Option<String>>,
    barcode: Option<Option<String>>,
    price_minor: Option<i64>,
    compare_at_minor: Option<Option<i64>>,
    stock: Option<i32>,
    weight_grams: Option<i32>,
    requires_shipping: Option<bool>,
    tax_class: Option<String>,
    image_id: Option<Option<i64>>,
}

impl VariantUpdate {
    /// # Errors
    /// All invalid fields.
    pub(super) fn parse(request: UpdateVariantRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        // Unset fields have valid defaults here, which are not used.
        let parsed = parse(
            pb::Variant {
                sku: request.sku.clone().unwrap_or_default(),
                barcode: request.barcode.clone().unwrap_or_default(),
                price_minor: request.price_minor.unwrap_or_default(),
                compare_at_minor: request.compare_at_minor,
                stock: request.stock,
                weight_grams: request.weight_grams.unwrap_or_default(),
                is_digital: request.is_digital.unwrap_or_default(),
                tax_class: request.tax_class.clone().unwrap_or_default(),
                image_id: request.image_id.unwrap_or_default(),
                ..pb::Variant::default()
            },
            "",
            0,
            &mut violations,
        );
        violations.finish()?;
        Ok(Self {
            sku: request.sku.map(|_| parsed.sku),
            barcode: request.barcode.map(|_| parsed.barcode),
            price_minor: request.price_minor,
            compare_at_minor: request.compare_at_minor.map(|price| Some(price).filter(|price| *price > 0)),
            stock: request.stock,
            weight_grams: request.weight_grams,
            requires_shipping: request.is_digital.map(|is_digital| !is_digital),
            tax_class: request.tax_class.map(|_| parsed.tax_class),
            image_id: request.image_id.map(|_| parsed.image_id),
        })
    }

    /// Returns all variants that can be ordered, with this change of one of them. `currency` is that of new prices.
    ///
    /// # Errors
    /// [`Error::VariantNotFound`] if it is not among them; [`Error::Invalid`] for a price in another currency than others.
    pub(super) fn apply(
        &self,
        id: i32,
        before: &[Variant],
        currency: Currency,
    ) -> Result<Declaration, Error> {
        let sold: Vec<_> = before.iter().filter(|variant| variant.is_sold).collect();
        let existing = sold.iter().find(|variant| variant.id == id).ok_or(Error::VariantNotFound)?;
        let is_converted = self.converts(existing, sold.len() > 1, currency)?;
        let mut variants: Vec<_> = sold.iter().map(|variant| DeclaredVariant::from(*variant)).collect();
        let variant =
            variants.iter_mut().find(|variant| variant.id == Some(id)).ok_or(Error::VariantNotFound)?;
        if is_converted {
            variant.compare_at_minor = None;
        }
        set(&mut variant.sku, &self.sku);
        set(&mut variant.barcode, &self.barcode);
        set(&mut variant.price_minor, &self.price_minor);
        set(&mut variant.compare_at_minor, &self.compare_at_minor);
        set(&mut variant.weight_grams, &self.weight_grams);
        set(&mut variant.requires_shipping, &self.requires_shipping);
        set(&mut variant.tax_class, &self.tax_class);
        set(&mut variant.image_id, &self.image_id);
        variant.stock = self.stock;
        let currency = if is_converted { currency.code() } else { &existing.currency };
        Ok(Declaration {
            option_names: existing.option_names.clone(),
            variants,
            currency: currency.to_owned(),
            is_update: true,
        })
    }

    /// Returns whether this is the new price, in a new currency, of the only variant. All variants of a product have the same
    /// currency, and keep a former one until they get new prices.
    fn converts(
        &self,
        existing: &Variant,
        has_siblings: bool,
        currency: Currency,
    ) -> Result<bool, Violations> {
        let former = &existing.currency;
        if former == currency.code() || self.price_minor.is_some() && !has_siblings {
            return Ok(former != currency.code());
        }
        let mut violations = Violations::new();
        let message = format!("cannot be in {currency}: the product has prices in {former}");
        violations.require(self.price_minor.is_none(), "price_minor", message.as_str());
        let has_compare_at = matches!(self.compare_at_minor, Some(Some(_)));
        violations.require(!has_compare_at, "compare_at_minor", message);
        violations.finish()?;
        Ok(false)
    }
}

/// Changes a field if there is a new value.
fn set<T: Clone>(field: &mut T, new: &Option<T>) {
    if let Some(new) = new {
        field.clone_from(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(id: i32) -> Variant {
        Variant {
            id,
            sku: Some(format!("SKU-{id}")),
            price_minor: 100,
            compare_at_minor: Some(200),
            currency: "USD".to_owned(),
            stock: 7,
            is_sold: true,
            ..Variant::default()
        }
    }

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    #[test]
    fn changes_only_the_fields_of_one_variant_that_are_set() {
        let request =
            UpdateVariantRequest { id: 2, price_minor: Some(90), stock: Some(0), ..Default::default() };
        let before = [variant(1), variant(2), Variant { is_sold: false, ..variant(3) }];
        let declaration = VariantUpdate::parse(request).unwrap().apply(2, &before, usd()).unwrap();
        let unchanged = DeclaredVariant::from(&before[0]);
        let changed =
            DeclaredVariant { price_minor: 90, stock: Some(0), ..DeclaredVariant::from(&before[1]) };
        assert_eq!(declaration.variants, [unchanged, changed]);
        assert_eq!(declaration.field(1, "image_id"), "image_id");
    }

    #[test]
    fn empty_texts_and_zeros_remove_values() {
        let request = UpdateVariantRequest {
            sku: Some(" ".to_owned()),
            compare_at_minor: Some(0),
            tax_class: Some(String::new()),
            ..Default::default()
        };
        let declaration = VariantUpdate::parse(request).unwrap().apply(1, &[variant(1)], usd()).unwrap();
        let changed = &declaration.variants[0];
        assert_eq!((&changed.sku, changed.compare_at_minor), (&None, None));
        assert_eq!(changed.tax_class, "standard");
    }

    #[test]
    fn an_archived_or_unknown_variant_cannot_be_changed() {
        let update = VariantUpdate::parse(UpdateVariantRequest::default()).unwrap();
        let unknown = |id, before| matches!(update.apply(id, &[before], usd()), Err(Error::VariantNotFound));
        assert!(unknown(1, Variant { is_sold: false, ..variant(1) }));
        assert!(unknown(2, variant(1)));
    }

    #[test]
    fn prices_stay_in_a_former_currency_until_the_only_variant_gets_a_new_one() {
        let former = |id| Variant { currency: "JPY".to_owned(), ..variant(id) };
        let apply =
            |request, before: &[Variant]| VariantUpdate::parse(request).unwrap().apply(1, before, usd());
        let weight = UpdateVariantRequest { weight_grams: Some(7), ..Default::default() };
        let price = UpdateVariantRequest { price_minor: Some(90), ..Default::default() };
        let compare_at = UpdateVariantRequest { compare_at_minor: Some(300), ..Default::default() };
        let removed = UpdateVariantRequest { compare_at_minor: Some(0), ..Default::default() };

        for unpriced in [weight, removed] {
            assert_eq!(apply(unpriced, &[former(1), former(2)]).unwrap().currency, "JPY");
        }
        for priced in [&price, &compare_at] {
            let rejected = apply(priced.clone(), &[former(1), former(2)]);
            assert!(matches!(rejected, Err(Error::Invalid(_))), "{priced:?}");
        }
        assert!(apply(compare_at, &[former(1)]).is_err(), "the price stays in JPY");
        let converted = apply(price, &[former(1)]).unwrap();
        assert_eq!(converted.currency, "USD");
        let only = &converted.variants[0];
        assert_eq!((only.price_minor, only.compare_at_minor), (90, None));
    }

    #[test]
    fn names_every_invalid_field() {
        let invalid = UpdateVariantRequest {
            sku: Some("x".repeat(101)),
            price_minor: Some(-1),
            stock: Some(-1),
            weight_grams: Some(-1),
            ..Default::default()
        };
        let message = VariantUpdate::parse(invalid).unwrap_err().to_string();
        for field in ["sku ", "price_minor ", "stock ", "weight_grams "] {
            assert!(message.contains(field) && !message.contains("variants["), "{field}: {message}");
        }
    }
}
