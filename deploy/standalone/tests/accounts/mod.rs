//! Registration, sessions, passwords, profiles and the management of users.

mod api_keys;
mod passwords;
mod profile_flow;
mod profiles;
mod registration;
mod second_factors;
mod sessions;
mod user_management;
