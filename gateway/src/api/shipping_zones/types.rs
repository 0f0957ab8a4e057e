use bodega_proto::order::v1 as pb;
use bodega_runtime::money::Currency;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    json::{Amount, AmountInput, Object, non_empty},
    problem::Problem,
    response::present,
};

/// How the customer receives the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShippingKind {
    /// To the customer's address.
    Delivery = pb::ShippingKind::Delivery as isize,
    /// The customer collects the items; no address is needed.
    Pickup = pb::ShippingKind::Pickup as isize,
}

/// What the price of a shipping method depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShippingBasis {
    /// Nothing.
    Flat = pb::ShippingBasis::Flat as isize,
    /// The price of the items after discounts.
    Subtotal = pb::ShippingBasis::Subtotal as isize,
    /// The weight of the items.
    Weight = pb::ShippingBasis::Weight as isize,
}

/// A country, or a region of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShippingPlace {
    /// ISO 3166-1 alpha-2 code of the country.
    #[schema(min_length = 2, max_length = 2)]
    country: String,
    /// State, province or county, in any case, as in addresses; null for the whole country.
    #[serde(default)]
    #[schema(max_length = 100)]
    region: Option<String>,
}

/// A part of the scale of a method's price. The one with the greatest `atLeast` that a cart reaches applies.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShippingRate {
    /// Where it begins: an amount for the basis `subtotal`, grams for `weight`, 0 for `flat`.
    at_least: Amount,
    /// Price of shipping.
    price: Amount,
}

/// A way to ship items.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShippingMethod {
    /// Id of the method, as in orders.
    id: i32,
    /// Name for customers.
    title: String,
    /// How the customer receives the items.
    kind: ShippingKind,
    /// What its price depends on.
    basis: ShippingBasis,
    /// Ordered by `atLeast`.
    rates: Vec<ShippingRate>,
}

/// Places with the same shipping methods.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": 1, "name": "Germany", "places": [{"country": "DE", "region": null}],
    "methods": [{
        "id": 3, "title": "Parcel", "kind": "delivery", "basis": "subtotal",
        "rates": [{"atLeast": 0.00, "price": 4.90}, {"atLeast": 50.00, "price": 0.00}]
    }]
}))]
pub(crate) struct ShippingZone {
    /// Id of the zone.
    pub(super) id: i32,
    /// Name for admins.
    name: String,
    /// The places.
    places: Vec<ShippingPlace>,
    /// The methods in the order in which customers see them.
    methods: Vec<ShippingMethod>,
}

impl ShippingZone {
    /// # Errors
    /// An internal problem for a kind or a basis that this gateway does not know.
    pub(super) fn new(zone: pb::ShippingZone, currency: Currency) -> Result<Self, Problem> {
        let places = zone.places.into_iter();
        let places =
            places.map(|place| ShippingPlace { country: place.country, region: non_empty(place.region) });
        let methods = zone.methods.into_iter().map(|method| ShippingMethod::new(method, currency));
        Ok(Self {
            id: zone.id,
            name: zone.name,
            places: places.collect(),
            methods: methods.collect::<Result<_, _>>()?,
        })
    }
}

impl ShippingMethod {
    /// # Errors
    /// An internal problem for a kind or a basis that this gateway does not know.
    fn new(method: pb::ShippingMethod, currency: Currency) -> Result<Self, Problem> {
        let kind = present(match method.kind() {
            pb::ShippingKind::Unspecified => None,
            pb::ShippingKind::Delivery => Some(ShippingKind::Delivery),
            pb::ShippingKind::Pickup => Some(ShippingKind::Pickup),
        })?;
        let basis = present(match method.basis() {
            pb::ShippingBasis::Unspecified => None,
            pb::ShippingBasis::Flat => Some(ShippingBasis::Flat),
            pb::ShippingBasis::Subtotal => Some(ShippingBasis::Subtotal),
            pb::ShippingBasis::Weight => Some(ShippingBasis::Weight),
        })?;
        // Numbers that are not amounts of money have no currency, and no decimals.
        let start_currency = if basis == ShippingBasis::Subtotal { currency.code() } else { "" };
        let rates = method.rates.into_iter().map(|rate| ShippingRate {
            at_least: Amount::new(rate.at_least, start_currency),
            price: Amount::new(rate.price_minor, currency.code()),
        });
        Ok(Self { id: method.id, title: method.title, kind, basis, rates: rates.collect() })
    }
}

/// All shipping zones.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShippingZoneList {
    /// Ordered by id.
    pub(super) items: Vec<ShippingZone>,
}

/// A part of the scale of a method's price.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ShippingRateInput {
    /// Where it begins: an amount for the basis `subtotal`, a whole number of grams for `weight`, absent for `flat`.
    #[serde(default)]
    at_least: Option<AmountInput>,
    /// Price of shipping.
    price: AmountInput,
}

/// A way to ship items.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShippingMethodInput {
    /// Id of an existing method. Without it, the method with the same title is replaced, or a new one created.
    #[serde(default)]
    #[schema(minimum = 1)]
    id: Option<i32>,
    /// Name for customers, unique in the zone.
    #[schema(min_length = 1, max_length = 100)]
    title: String,
    /// How the customer receives the items; `delivery` by default.
    #[serde(default = "delivery")]
    kind: ShippingKind,
    /// What its price depends on; `flat` by default.
    #[serde(default = "flat")]
    basis: ShippingBasis,
    /// One for the basis `flat`, otherwise 1 to 50 with different `atLeast`. A cart that reaches none cannot be shipped with this
    /// method.
    #[schema(value_type = Vec<ShippingRateInput>, min_items = 1, max_items = 50)]
    rates: Vec<Object<ShippingRateInput>>,
}

fn delivery() -> ShippingKind {
    ShippingKind::Delivery
}

fn flat() -> ShippingBasis {
    ShippingBasis::Flat
}

/// A shipping zone to create, or to replace an existing one with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Germany", "places": [{"country": "DE"}],
    "methods": [
        {"title": "Parcel", "basis": "subtotal", "rates": [{"atLeast": 0, "price": 4.90}, {"atLeast": 50, "price": 0}]},
        {"title": "Collect in Berlin", "kind": "pickup", "rates": [{"price": 0}]}
    ]
}))]
pub(crate) struct ShippingZoneInput {
    /// Name for admins.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The places. Each place belongs to one zone; the zone of a region applies instead of that of its country.
    #[schema(value_type = Vec<ShippingPlace>, min_items = 1, max_items = 300)]
    places: Vec<Object<ShippingPlace>>,
    /// The methods in the order in which customers see them.
    #[schema(value_type = Vec<ShippingMethodInput>, max_items = 20)]
    methods: Vec<Object<ShippingMethodInput>>,
}

impl ShippingZoneInput {
    /// # Errors
    /// 422 `invalid_field` for an invalid amount.
    pub(super) fn into_proto(self, currency: Currency) -> Result<pb::ShippingZone, Problem> {
        let places = self.places.into_iter().map(|Object(place)| pb::ShippingPlace {
            country: place.country,
            region: place.region.unwrap_or_default(),
        });
        let methods = self.methods.into_iter().enumerate();
        let methods =
            methods.map(|(index, Object(method))| method.into_proto(&format!("methods[{index}]"), currency));
        Ok(pb::ShippingZone {
            id: 0,
            name: self.name,
            places: places.collect(),
            methods: methods.collect::<Result<_, _>>()?,
        })
    }
}

impl ShippingMethodInput {
    fn into_proto(self, field: &str, currency: Currency) -> Result<pb::ShippingMethod, Problem> {
        let rates = self.rates.into_iter().enumerate().map(|(index, Object(rate))| {
            let start = format!("{field}.rates[{index}].atLeast");
            let at_least = match (rate.at_least, self.basis) {
                (None, _) => 0,
                (Some(amount), ShippingBasis::Subtotal) => amount.minor(currency, &start)?,
                (Some(number), ShippingBasis::Flat | ShippingBasis::Weight) => number.whole(&start)?,
            };
            let price_minor = rate.price.minor(currency, &format!("{field}.rates[{index}].price"))?;
            Ok(pb::ShippingRate { at_least, price_minor })
        });
        Ok(pb::ShippingMethod {
            id: self.id.unwrap_or_default(),
            title: self.title,
            kind: self.kind as i32,
            basis: self.basis as i32,
            rates: rates.collect::<Result<_, Problem>>()?,
        })
    }
}
