//! Checkout, order status and lists of orders.

mod admin_list;
mod checkout;
mod guests;
mod history;
mod returns;
mod status;
mod totals;
