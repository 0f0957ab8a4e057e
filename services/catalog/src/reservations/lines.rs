//! The lines of reservations: as they are returned, and the rows from which they are read.

use uuid::Uuid;

use crate::changes::StockChange;

/// A reserved variant, with name and price at the time of the reservation.
#[derive(Clone, Debug)]
pub(crate) struct ReservedLine {
    pub(crate) product_id: i32,
    pub(crate) name: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) quantity: i32,
    /// The product's version after the reservation, or [`UNKNOWN_VERSION`]; `None` for a reservation that was made before.
    pub(crate) version: Option<i64>,
    pub(crate) details: ReservedDetails,
}

/// The version of a product with several variants, for caches: others change it at the same time.
pub(super) const UNKNOWN_VERSION: i64 = i64::MAX;

/// The details of a reserved variant. Reservations of versions before this one have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReservedDetails {
    /// The product, if the variant is not its first.
    pub(crate) variant_of: Option<i32>,
    pub(crate) sku: Option<String>,
    /// Values of the options.
    pub(crate) variant_name: Option<String>,
    pub(crate) tax_class: Option<String>,
    pub(crate) category_id: Option<i32>,
    pub(crate) weight_grams: Option<i32>,
    pub(crate) requires_shipping: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ReservationStatus {
    Reserved,
    /// The stock was added back, or never reserved.
    Released,
}

/// A line after the attempt to reserve its order.
#[derive(Debug)]
pub(super) struct AttemptedLine {
    pub(super) order_id: Uuid,
    pub(super) product_id: i32,
    /// Whether the order is reserved now.
    pub(super) is_reserved: bool,
    /// Whether the product was skipped because another transaction has locked it.
    pub(super) is_locked: bool,
    /// Units in stock before the attempt that an order in the store's currency can reserve.
    pub(super) available: i32,
    /// `None` if the product does not exist or was skipped; the same below.
    pub(super) name: Option<String>,
    pub(super) price_minor: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) variant_of: Option<i32>,
    pub(super) sku: Option<String>,
    pub(super) variant_name: Option<String>,
    pub(super) tax_class: Option<String>,
    pub(super) category_id: Option<i32>,
    pub(super) weight_grams: Option<i32>,
    pub(super) requires_shipping: Option<bool>,
    /// Whether the product has no other variant.
    pub(super) is_only_variant: bool,
    /// The product after the attempt, if it was reserved for any order; the same below.
    pub(super) version: Option<i64>,
    pub(super) details_version: Option<i64>,
    pub(super) stock: Option<i32>,
    /// Units that were reserved for all orders.
    pub(super) taken: Option<i32>,
}

impl AttemptedLine {
    /// Returns the change of the product's stock.
    pub(super) fn change(&self) -> Option<StockChange> {
        Some(StockChange {
            product_id: self.product_id,
            version: self.version?,
            details_version: self.details_version?,
            stock: self.stock?,
            delta: -self.taken?,
            is_only_variant: self.is_only_variant,
        })
    }

    /// Returns the name of the product with the values of its options, or an empty string if it does not exist.
    pub(super) fn full_name(&self) -> String {
        match (&self.name, &self.variant_name) {
            (Some(name), Some(variant_name)) => format!("{name} ({variant_name})"),
            (Some(name), None) => name.clone(),
            (None, _) => String::new(),
        }
    }

    /// Returns the line of an order that was reserved.
    pub(super) fn into_reserved(self, quantity: i32) -> ReservedLine {
        let version =
            self.version.map(|version| if self.is_only_variant { version } else { UNKNOWN_VERSION });
        ReservedLine {
            product_id: self.product_id,
            name: self.name.unwrap_or_default(),
            price_minor: self.price_minor.unwrap_or_default(),
            currency: self.currency.unwrap_or_default(),
            quantity,
            version,
            details: ReservedDetails {
                variant_of: self.variant_of,
                sku: self.sku,
                variant_name: self.variant_name,
                tax_class: self.tax_class,
                category_id: self.category_id,
                weight_grams: self.weight_grams,
                requires_shipping: self.requires_shipping,
            },
        }
    }
}

/// A reservation that was made before, or its tombstone, with one line.
#[derive(Debug)]
pub(super) struct ExistingLine {
    pub(super) order_id: Uuid,
    pub(super) status: ReservationStatus,
    /// `None` for an order that was released before it was reserved; the same below.
    pub(super) product_id: Option<i32>,
    pub(super) name: Option<String>,
    pub(super) price_minor: Option<i64>,
    pub(super) currency: Option<String>,
    pub(super) quantity: Option<i32>,
    pub(super) variant_of: Option<i32>,
    pub(super) sku: Option<String>,
    pub(super) variant_name: Option<String>,
    pub(super) tax_class: Option<String>,
    pub(super) category_id: Option<i32>,
    pub(super) weight_grams: Option<i32>,
    pub(super) requires_shipping: Option<bool>,
}

impl ExistingLine {
    /// Returns the line of an order that was reserved before.
    pub(super) fn into_reserved(self) -> Option<ReservedLine> {
        Some(ReservedLine {
            product_id: self.product_id?,
            name: self.name?,
            price_minor: self.price_minor?,
            currency: self.currency?,
            quantity: self.quantity?,
            version: None,
            details: ReservedDetails {
                variant_of: self.variant_of,
                sku: self.sku,
                variant_name: self.variant_name,
                tax_class: self.tax_class,
                category_id: self.category_id,
                weight_grams: self.weight_grams,
                requires_shipping: self.requires_shipping,
            },
        })
    }
}
