//! Seed 002: a database by environment variables, commands that fill it, categories, products and tags to create,
//! read, update and delete. Lines are those of the seed.

mod commands;
mod labels;
mod listing;
mod money;
mod product_tags;
mod products;
