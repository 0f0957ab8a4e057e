//! Seed 003: users and roles, carts, orders from carts, their states and history. Lines are those of the seed.

mod access;
mod carts;
mod flow;
mod guests;
mod history;
mod orders;
mod placing;
mod states;
mod users;
