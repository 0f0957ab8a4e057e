//! The whole store in one process, and the commands that look after it.
//!
//! [`cli`] reads the command line; `up` opens the store and closes it again. A store is put together in [`store`],
//! on a [`database`] that [`provision`] has made ready: its own, or one it was given. [`seed`] puts goods on the
//! shelves, [`admin`] lets somebody run the shop, [`verify`] looks whether everything adds up.

pub mod admin;
pub mod cli;
pub mod database;
pub mod provision;
mod secrets;
pub mod seed;
pub mod store;
mod up;
pub mod verify;
