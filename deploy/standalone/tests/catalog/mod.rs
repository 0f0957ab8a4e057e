//! Categories, tags and products.

mod categories_and_tags;
mod filters;
mod listing;
mod prices;
mod product_tags;
mod products;
mod variants;
