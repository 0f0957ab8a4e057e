use serde::{Deserialize, Serialize};

use crate::{Cart, Error, cart::require_not_negative};

/// The price of a shipping method, by what is shipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingRate {
    pub basis: ShippingBasis,
    /// In any order. The one with the greatest `at_least` that the cart reaches applies.
    pub bands: Vec<ShippingBand>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShippingBasis {
    /// Each cart reaches 0.
    Flat,
    /// The price of all lines after discounts.
    Subtotal,
    /// The weight of all units in grams.
    Weight,
}

/// A part of the scale of a shipping rate. "Free from 50.00" is a band that begins at 5000 and costs 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingBand {
    pub at_least: i64,
    pub price_minor: i64,
}

impl ShippingRate {
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for band in &self.bands {
            require_not_negative(band.at_least, "start of a shipping band")?;
            require_not_negative(band.price_minor, "price of shipping")?;
        }
        Ok(())
    }

    /// Returns the price for `cart`, whose lines cost `net` after discounts.
    pub(crate) fn price(&self, cart: &Cart, net: i64) -> Result<i64, Error> {
        let reached = match self.basis {
            ShippingBasis::Flat => 0,
            ShippingBasis::Subtotal => net.into(),
            ShippingBasis::Weight => cart.weight_grams(),
        };
        let bands = self.bands.iter().filter(|band| i128::from(band.at_least) <= reached);
        bands.max_by_key(|band| band.at_least).map(|band| band.price_minor).ok_or(Error::NoShippingRate)
    }
}
