//! The database: roles, tables, poolers, and a database for each service.

mod pooler;
mod roles;
mod separate;
mod tables;
