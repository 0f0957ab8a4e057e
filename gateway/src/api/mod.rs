//! The REST API, a module per resource: its JSON types, handlers and OpenAPI documentation.

pub(crate) mod admin_orders;
pub(crate) mod auth;
pub(crate) mod avatar;
pub(crate) mod cart;
pub(crate) mod categories;
pub(crate) mod docs;
pub(crate) mod groups;
pub(crate) mod media;
pub(crate) mod operations;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod product_images;
pub(crate) mod products;
pub(crate) mod profile;
pub(crate) mod tags;
pub(crate) mod users;
pub(crate) mod webhooks;
