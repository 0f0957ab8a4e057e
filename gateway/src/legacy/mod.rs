//! The legacy API at the root: projections of the results of [`crate::api`].
//!
//! Lists are plain arrays, carts require an access token, and `stock` is called `quantity`.

pub(crate) mod cart;
pub(crate) mod orders;
pub(crate) mod products;
