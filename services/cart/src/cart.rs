//! A stored cart: its lines, without names and prices of the catalog.

use bodega_runtime::status::Violations;
use time::OffsetDateTime;

/// The maximum number of lines of a cart.
pub(crate) const MAX_LINES: usize = 100;
/// The maximum quantity of a line.
pub(crate) const MAX_QUANTITY: i32 = 9_999;

/// A cart. The default is the empty cart of an owner who has none yet.
#[derive(Debug, Default)]
pub(crate) struct Cart {
    /// Increases with each change; 0 before the first.
    pub(crate) version: i64,
    pub(crate) updated_at: Option<OffsetDateTime>,
    /// In the order in which they were added.
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) product_id: i32,
    /// 1 to [`MAX_QUANTITY`].
    pub(crate) quantity: i32,
    /// Price of one unit in minor units when the line was last added to or set.
    pub(crate) quoted_price_minor: i64,
    /// ISO 4217.
    pub(crate) currency: String,
}

impl Cart {
    pub(crate) fn product_ids(&self) -> impl Iterator<Item = i32> {
        self.lines.iter().map(|line| line.product_id)
    }

    /// Returns whether it has a line with this product.
    pub(crate) fn contains(&self, product_id: i32) -> bool {
        self.product_ids().any(|id| id == product_id)
    }

    /// Adds units to the line of their product, or appends it. The line then has the price of the added units.
    pub(crate) fn add(&mut self, added: &Line) {
        match self.lines.iter_mut().find(|line| line.product_id == added.product_id) {
            Some(line) => *line = Line { quantity: line.quantity + added.quantity, ..added.clone() },
            None => self.lines.push(added.clone()),
        }
    }

    /// Sets the quantity of a line, and its price and currency if they are known.
    pub(crate) fn set(&mut self, product_id: i32, quantity: i32, price: Option<&(i64, String)>) {
        let Some(line) = self.lines.iter_mut().find(|line| line.product_id == product_id) else { return };
        line.quantity = quantity;
        if let Some((price_minor, currency)) = price {
            line.quoted_price_minor = *price_minor;
            line.currency.clone_from(currency);
        }
    }
}

/// Checks that a quantity is between `min` and [`MAX_QUANTITY`].
pub(crate) fn check_quantity(quantity: i32, min: i32) -> Result<(), Violations> {
    let mut violations = Violations::new();
    violations.require(
        (min..=MAX_QUANTITY).contains(&quantity),
        "quantity",
        format!("must be between {min} and {MAX_QUANTITY}"),
    );
    violations.finish()
}
