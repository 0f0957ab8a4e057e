//! A cart as it is stored: its lines, without what the catalog knows of them.

use bodega_runtime::status::Violations;
use time::OffsetDateTime;

/// The most lines a cart has.
pub(crate) const MAX_LINES: usize = 100;
/// The most units a line has.
pub(crate) const MAX_QUANTITY: i32 = 9_999;

/// Somebody's cart. The default is that of somebody who has none yet.
#[derive(Debug, Default)]
pub(crate) struct Cart {
    /// Grows with every change; 0 before the first.
    pub(crate) version: i64,
    /// When it last changed.
    pub(crate) updated_at: Option<OffsetDateTime>,
    /// In the order they were added.
    pub(crate) lines: Vec<Line>,
}

/// A line of a cart.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Which product.
    pub(crate) product_id: i32,
    /// 1 to [`MAX_QUANTITY`].
    pub(crate) quantity: i32,
    /// Of one unit, in minor units, when the line was last added to or set.
    pub(crate) seen_price_minor: i64,
    /// ISO 4217, of the price.
    pub(crate) currency: String,
}

impl Cart {
    /// The products in it.
    pub(crate) fn product_ids(&self) -> impl Iterator<Item = i32> {
        self.lines.iter().map(|line| line.product_id)
    }

    /// Whether it has a line of the product.
    pub(crate) fn holds(&self, product_id: i32) -> bool {
        self.product_ids().any(|id| id == product_id)
    }
}

/// Refuses a quantity below `min` or beyond [`MAX_QUANTITY`].
pub(crate) fn check_quantity(quantity: i32, min: i32) -> Result<(), Violations> {
    let mut violations = Violations::new();
    violations.require(
        (min..=MAX_QUANTITY).contains(&quantity),
        "quantity",
        format!("must be {min} to {MAX_QUANTITY}"),
    );
    violations.finish()
}
