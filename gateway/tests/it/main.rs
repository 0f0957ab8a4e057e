//! The gateway over real HTTP, with services behind it that answer what each test says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod avatars;
mod carts;
mod categories_and_tags;
mod connections;
mod context;
mod fakes;
mod faults;
mod http_manners;
mod identity;
mod logs;
mod media;
mod openapi;
mod orders;
mod overload;
mod payments;
mod product_images;
mod products;
mod refusals;
mod sessions;
mod shop;
mod tokens;
mod uploads;
mod users;
mod webhooks;
