//! Metrics of an outbox.

use ::metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use bodega_runtime::metrics::sample;

use crate::{Outbox, outbox::Backlog};

/// Adds the help texts, and begins the counters at 0.
pub(crate) fn start(schema: &'static str) {
    describe_counter!("mails_total", "Mails by service and outcome: sent, discarded, retried or rejected.");
    for outcome in ["sent", "discarded", "retried", "rejected"] {
        count(schema, outcome, 0);
    }
}

pub(crate) fn count(schema: &'static str, outcome: &'static str, count: usize) {
    counter!("mails_total", "service" => service(schema), "outcome" => outcome).increment(count as u64);
}

/// Returns the name of the service that owns the schema.
fn service(schema: &'static str) -> &'static str {
    if schema == "orders" { "order" } else { schema }
}

impl Outbox {
    /// Samples what waits until the future is dropped.
    pub async fn sample_backlog(self) {
        describe_gauge!(
            "mails_unsent",
            "Mails that were neither sent nor rejected. At most 10,000 are counted."
        );
        describe_gauge!(
            "mails_unsent_oldest_seconds",
            Unit::Seconds,
            "Age of the oldest mail that was neither sent nor rejected."
        );
        describe_gauge!("mails_rejected", "Mails that were rejected for good. At most 10,000 are counted.");
        let service = service(self.schema);
        sample("mails", || async {
            let Backlog { unsent, oldest, rejected } = self.backlog().await?;
            let number = |count: i64| f64::from(i32::try_from(count).unwrap_or(i32::MAX));
            gauge!("mails_unsent", "service" => service).set(number(unsent));
            gauge!("mails_unsent_oldest_seconds", "service" => service).set(oldest);
            gauge!("mails_rejected", "service" => service).set(number(rejected));
            Ok::<_, sqlx::Error>(())
        })
        .await;
    }
}
