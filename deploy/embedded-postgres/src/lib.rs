//! A Postgres server of our own: for the laptop, and for the tests.
//!
//! `cluster` tells the story: find the programs (`binaries`, and `fetch` when
//! there are none), take the directory (`home`), clear away what a crash left
//! (`recovery`), make the data (`initdb`), run the server (`server`), again
//! where it ends by itself (`keeper`). Every process it starts goes through
//! `process`, and dies with ours.
//!
//! `PG_BIN_DIR` names the directory of the Postgres to run; else the `PATH`, the usual places of
//! packages, and a cache of our own are searched, for version 14 or newer.
//!
//! Unix only. The server listens on a Unix socket in a private directory and
//! on nothing else.

mod binaries;
mod cluster;
mod fetch;
mod home;
mod initdb;
mod keeper;
mod process;
mod recovery;
mod server;
pub mod testing;
mod url;
mod user;

pub use cluster::{Cluster, Options, SUPERUSER};
pub use process::spawn;
