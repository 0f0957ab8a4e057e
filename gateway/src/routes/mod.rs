//! The canonical surface, a file a resource. A handler extracts, makes its call, and answers.

pub(crate) mod admin_orders;
pub(crate) mod auth;
pub(crate) mod avatar;
pub(crate) mod cart;
pub(crate) mod categories;
pub(crate) mod docs;
mod groups;
pub(crate) mod images;
pub(crate) mod media;
pub(crate) mod operations;
pub(crate) mod orders;
pub(crate) mod products;
pub(crate) mod profile;
pub(crate) mod tags;
pub(crate) mod users;
pub(crate) mod webhooks;
