//! SQL of the rules.

pub(crate) mod discounts;
pub(crate) mod settings;
pub(crate) mod shipping;
pub(crate) mod taxes;
