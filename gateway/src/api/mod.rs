//! The REST API: a module per resource, with its JSON types, handlers and OpenAPI documentation.

pub(crate) mod account;
pub(crate) mod admin_audit;
pub(crate) mod admin_mails;
pub(crate) mod admin_orders;
pub(crate) mod admin_payments;
pub(crate) mod api_keys;
pub(crate) mod auth;
pub(crate) mod avatar;
pub(crate) mod cart;
pub(crate) mod categories_and_tags;
pub(crate) mod checkout;
pub(crate) mod discounts;
pub(crate) mod docs;
pub(crate) mod media;
pub(crate) mod operations;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod product_images;
pub(crate) mod products;
pub(crate) mod profile;
pub(crate) mod recovery;
pub(crate) mod settings;
pub(crate) mod shipping_zones;
pub(crate) mod users;
pub(crate) mod webhooks;
