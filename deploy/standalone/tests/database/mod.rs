//! The database: roles and tables.

mod roles;
mod tables;
