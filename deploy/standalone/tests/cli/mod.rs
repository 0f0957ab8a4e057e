//! The command line of `bodega`: commands, settings, databases.

mod commands;
mod database_outage;
mod databases;
mod environment;
mod health;
mod keys;
mod metrics;
mod secrets;
mod serve;
mod settings;
mod settings_of_processes;
