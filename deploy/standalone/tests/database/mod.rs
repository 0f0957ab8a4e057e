//! The database: roles, tables, versions, poolers, and a database for each service.

mod next_version;
mod pooler;
mod roles;
mod separate;
mod tables;
