//! Stock reservations of orders: an order gets all of its lines or none, once, until it is released.

mod db;
mod quantities;
mod release;
mod reserve;

pub(crate) use self::{
    db::ReservedLine,
    quantities::parse_lines,
    release::release,
    reserve::{InsufficientStockLine, Outcome, reserve},
};
