//! The metrics of the gateway itself. Those of all processes are in `bodega_runtime::metrics`.

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Adds the help texts.
pub(crate) fn describe() {
    describe_gauge!(
        "http_concurrency_permits",
        "Permits to process requests, by limit and state. Requests wait when none is free."
    );
    describe_gauge!("http_concurrency_queue", "Requests that wait for a permit, by limit.");
    describe_histogram!(
        "http_concurrency_wait_seconds",
        Unit::Seconds,
        "Time that requests waited for a permit, if none was free, by limit."
    );
    describe_counter!(
        "http_requests_shed_total",
        "Requests that were rejected as `overloaded` because no permit was expected in time, by limit."
    );
    describe_gauge!(
        "revocations_age_seconds",
        Unit::Seconds,
        "Time since identity's stream of revoked sessions ended; 0 while there is one."
    );
}
