//! The gateway over real HTTP, with services behind it that answer what each test says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod accounts;
mod avatars;
mod carts;
mod connections;
mod context;
mod document;
mod fakes;
mod faults;
mod groups;
mod http_manners;
mod identity;
mod images;
mod media;
mod orders;
mod overload;
mod payments;
mod products;
mod refusals;
mod sessions;
mod shop;
mod tokens;
mod uploads;
mod webhooks;
