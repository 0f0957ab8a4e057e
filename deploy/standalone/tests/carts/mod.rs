//! Carts of users and guests.

mod guests;
mod items;
