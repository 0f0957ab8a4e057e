//! SQL of products, by table.

pub(crate) mod product_images;
pub(crate) mod products;
