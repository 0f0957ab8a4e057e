//! Reservations of stock.

pub(crate) mod db;
pub(crate) mod reserve;
pub(crate) mod stock;
