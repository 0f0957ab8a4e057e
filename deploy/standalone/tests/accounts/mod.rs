//! Registration, sessions, passwords, profiles and the management of users.

mod passwords;
mod profile_flow;
mod profiles;
mod registration;
mod sessions;
mod user_management;
