//! The metrics of the service: what happens to orders and payments, and what waits.

mod backlog;
mod db;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::{
    app::App,
    checkout::rejection::Rejection,
    orders::status::OrderStatus,
    payments::{order_payments::OrderPayments, payment::PaymentStatus},
};

pub(crate) use self::backlog::run as sample_backlog;

/// Adds the help texts, and begins the counters at 0.
pub(crate) fn start(app: &App) {
    describe_counter!(
        "orders_total",
        "Checkouts that became an order (`placed`) or were rejected, and changes of the status of orders, by the new status."
    );
    describe_counter!("checkout_rejections_total", "Rejected checkouts, by the error's code for clients.");
    describe_counter!("payments_total", "Changes of the status of payments, by the new status.");
    describe_counter!("order_value_minor_total", "Total of placed orders, in minor units, by currency.");
    describe_gauge!(
        "payment_window_seconds",
        Unit::Seconds,
        "Time after which an order that was neither paid nor confirmed is cancelled. Absent without a limit."
    );
    backlog::describe();
    let after_placed = OrderStatus::ALL.into_iter().filter(|status| *status != OrderStatus::Pending);
    for outcome in ["placed", "rejected"].into_iter().chain(after_placed.map(OrderStatus::as_str)) {
        order(outcome, 0);
    }
    for code in Rejection::CODES {
        counter!("checkout_rejections_total", "code" => code).increment(0);
    }
    for status in PaymentStatus::ALL {
        payment(status, 0);
    }
    if let Some(window) = app.providers.order_window(1) {
        gauge!("payment_window_seconds").set(window.as_secs_f64());
    }
}

fn order(outcome: &'static str, count: u64) {
    counter!("orders_total", "outcome" => outcome).increment(count);
}

fn payment(status: PaymentStatus, count: u64) {
    counter!("payments_total", "outcome" => status.as_str()).increment(count);
}

/// Counts an order that this process has placed.
pub(crate) fn order_placed(total_minor: i64, currency: &str) {
    order("placed", 1);
    let total = u64::try_from(total_minor).unwrap_or_default();
    counter!("order_value_minor_total", "currency" => currency.to_owned()).increment(total);
}

/// Counts a checkout that this process has rejected.
pub(crate) fn checkout_rejected(rejection: &Rejection) {
    order("rejected", 1);
    counter!("checkout_rejections_total", "code" => rejection.code()).increment(1);
}

/// Counts the changes that this process has made to an order and its payments.
pub(crate) fn changed(payments: &OrderPayments) {
    for event in &payments.new_events {
        if event.status_changed {
            order(event.status.as_str(), 1);
        }
        if let Some((_, status)) = event.payment {
            payment(status, 1);
        }
    }
}
