//! Images of products and users.

mod avatars;
mod invalid_uploads;
mod product_images;
