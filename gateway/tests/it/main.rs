//! The gateway over real HTTP, with fake services whose responses each test defines.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod access_tokens;
mod api_keys;
mod avatars;
mod call_context;
mod carts;
mod categories_and_tags;
mod checkout;
mod connections;
mod fair_shares;
mod fake_identity;
mod fake_service;
mod http_headers;
mod invalid_requests;
mod load_shedding;
mod logs;
mod media;
mod openapi;
mod orders;
mod payments;
mod product_images;
mod products;
mod returns;
mod sessions;
mod settings;
mod test_app;
mod unavailable_services;
mod uploads;
mod users;
mod variants;
mod webhooks;
