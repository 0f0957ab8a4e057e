//! The surface at the root: the same store in the words of an older contract. Thin views over the canonical handlers
//! and calls. Lists are plain arrays, carts need an account, and what the canonical surface calls `stock` is
//! `quantity` here.

pub(crate) mod cart;
pub(crate) mod orders;
pub(crate) mod products;
pub(crate) mod short_forms;
mod types;
