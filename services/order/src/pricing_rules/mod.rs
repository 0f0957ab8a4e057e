//! What totals depend on beside the prices of products: the store's settings, taxes, shipping and discounts, which admins
//! change. `checkout::pricing_inputs` reads what a checkout needs of them.
//!
//! Each change first increments the revision of the settings, whose row is then locked: so changes follow one another, and a
//! list that is replaced as a whole is the one of a single request. Checkouts lock nothing of this but the discounts that they
//! use: see the triggers of `migrations/0011_pricing_rules.sql`.

mod db;
pub(crate) mod discount;
pub(crate) mod discounts;
pub(crate) mod settings;
pub(crate) mod shipping;
pub(crate) mod taxes;
pub(crate) mod zone;
