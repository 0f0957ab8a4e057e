//! Conversions of settings, taxes, shipping zones and discounts.

use bodega_proto::order::v1 as pb;
use bodega_runtime::{status::Violations, timestamp};
use time::OffsetDateTime;

use crate::pricing_rules::{
    discount::{Class, Discount, NewDiscount},
    settings::StoreSettings,
    taxes::TaxRate,
    zone::{Basis, Kind, Method, Rate, Zone, ZonePlace},
};

impl From<StoreSettings> for pb::StoreSettings {
    fn from(settings: StoreSettings) -> Self {
        Self {
            require_shipping: settings.require_shipping,
            country: settings.country.unwrap_or_default(),
            prices_include_tax: settings.prices_include_tax,
        }
    }
}

impl From<TaxRate> for pb::TaxRate {
    fn from(rate: TaxRate) -> Self {
        let TaxRate { country, region, tax_class, name, rate_ppm } = rate;
        Self { country, region, tax_class, name, rate_ppm }
    }
}

impl From<pb::TaxRate> for TaxRate {
    fn from(rate: pb::TaxRate) -> Self {
        let pb::TaxRate { country, region, tax_class, name, rate_ppm } = rate;
        Self { country, region, tax_class, name, rate_ppm }
    }
}

impl From<Zone> for pb::ShippingZone {
    fn from(zone: Zone) -> Self {
        let places = zone.places.into_iter();
        let places = places.map(|ZonePlace { country, region }| pb::ShippingPlace { country, region });
        Self {
            id: zone.id,
            name: zone.name,
            places: places.collect(),
            methods: zone.methods.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Method> for pb::ShippingMethod {
    fn from(method: Method) -> Self {
        let kind = match method.kind {
            Kind::Delivery => pb::ShippingKind::Delivery,
            Kind::Pickup => pb::ShippingKind::Pickup,
        };
        let basis = match method.basis {
            Basis::Flat => pb::ShippingBasis::Flat,
            Basis::Subtotal => pb::ShippingBasis::Subtotal,
            Basis::Weight => pb::ShippingBasis::Weight,
        };
        let rates = method.rates.into_iter();
        let rates = rates.map(|Rate { at_least, price_minor }| pb::ShippingRate { at_least, price_minor });
        Self {
            id: method.id,
            title: method.title,
            kind: kind.into(),
            basis: basis.into(),
            rates: rates.collect(),
        }
    }
}

/// Decodes and validates a zone, whose id comes from the request.
pub(super) fn zone(id: i32, zone: Option<pb::ShippingZone>) -> Result<Zone, Violations> {
    let zone = zone.unwrap_or_default();
    let mut violations = Violations::new();
    let mut methods = Vec::with_capacity(zone.methods.len());
    for (index, method) in zone.methods.into_iter().enumerate() {
        let kind = match method.kind() {
            pb::ShippingKind::Unspecified => None,
            pb::ShippingKind::Delivery => Some(Kind::Delivery),
            pb::ShippingKind::Pickup => Some(Kind::Pickup),
        };
        let basis = match method.basis() {
            pb::ShippingBasis::Unspecified => None,
            pb::ShippingBasis::Flat => Some(Basis::Flat),
            pb::ShippingBasis::Subtotal => Some(Basis::Subtotal),
            pb::ShippingBasis::Weight => Some(Basis::Weight),
        };
        let known = "must be one of delivery, pickup";
        violations.require(kind.is_some(), &format!("methods[{index}].kind"), known);
        let known = "must be one of flat, subtotal, weight";
        violations.require(basis.is_some(), &format!("methods[{index}].basis"), known);
        let rates = method.rates.into_iter();
        let rates = rates.map(|pb::ShippingRate { at_least, price_minor }| Rate { at_least, price_minor });
        methods.push(Method {
            id: method.id,
            title: method.title,
            kind: kind.unwrap_or(Kind::Delivery),
            basis: basis.unwrap_or(Basis::Flat),
            rates: rates.collect(),
        });
    }
    violations.finish()?;
    let places = zone.places.into_iter();
    let places = places.map(|pb::ShippingPlace { country, region }| ZonePlace { country, region });
    Zone { id, name: zone.name, places: places.collect(), methods }.parse()
}

impl From<Discount> for pb::Discount {
    fn from(discount: Discount) -> Self {
        let Discount { id, chosen, used, created_at } = discount;
        let class = match chosen.class {
            Class::Line => pb::DiscountClass::Line,
            Class::Order => pb::DiscountClass::Order,
            Class::Shipping => pb::DiscountClass::Shipping,
        };
        Self {
            id,
            code: chosen.code.unwrap_or_default(),
            title: chosen.title,
            class: class.into(),
            rate_ppm: chosen.rate_ppm,
            amount_minor: chosen.amount_minor,
            min_subtotal_minor: chosen.min_subtotal_minor,
            once_per_customer: chosen.once_per_customer,
            usage_limit: chosen.usage_limit,
            used,
            starts_at: chosen.starts_at.map(timestamp::to_proto),
            ends_at: chosen.ends_at.map(timestamp::to_proto),
            active: chosen.active,
            product_ids: chosen.product_ids,
            category_ids: chosen.category_ids,
            created_at: Some(timestamp::to_proto(created_at)),
        }
    }
}

/// Decodes and validates a discount.
pub(super) fn discount(discount: Option<pb::Discount>) -> Result<NewDiscount, Violations> {
    let discount = discount.unwrap_or_default();
    let mut violations = Violations::new();
    let class = match discount.class() {
        pb::DiscountClass::Unspecified => None,
        pb::DiscountClass::Line => Some(Class::Line),
        pb::DiscountClass::Order => Some(Class::Order),
        pb::DiscountClass::Shipping => Some(Class::Shipping),
    };
    violations.require(class.is_some(), "class", "must be one of line, order, shipping");
    let starts_at = time("starts_at", discount.starts_at.as_ref(), &mut violations);
    let ends_at = time("ends_at", discount.ends_at.as_ref(), &mut violations);
    violations.finish()?;
    let chosen = NewDiscount {
        code: Some(discount.code),
        title: discount.title,
        class: class.unwrap_or(Class::Order),
        rate_ppm: discount.rate_ppm,
        amount_minor: discount.amount_minor,
        min_subtotal_minor: discount.min_subtotal_minor,
        product_ids: discount.product_ids,
        category_ids: discount.category_ids,
        once_per_customer: discount.once_per_customer,
        usage_limit: discount.usage_limit,
        starts_at,
        ends_at,
        active: discount.active,
    };
    chosen.parse()
}

/// Decodes a time that both protobuf and Postgres can represent.
fn time(
    field: &str,
    time: Option<&prost_types::Timestamp>,
    violations: &mut Violations,
) -> Option<OffsetDateTime> {
    let time = time?;
    let time = timestamp::from_proto(time).filter(|time| time.year() >= 1);
    violations.require(time.is_some(), field, "must be between the years 1 and 9999");
    time
}
