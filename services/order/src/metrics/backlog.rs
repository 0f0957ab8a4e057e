//! What waits: deliveries, checkouts, provider events, payments, refunds and reviews.

use bodega_runtime::metrics::sample;
use metrics::{Unit, describe_gauge, gauge};

use super::db::{self, Backlog, Unsettled};
use crate::{app::App, outbox::db::DeliveryKind, payments::payment::PaymentStatus};

pub(super) fn describe() {
    let describe_age = |name: &'static str, text: &'static str| describe_gauge!(name, Unit::Seconds, text);
    describe_gauge!(
        "outbox_due",
        "Deliveries to other services that are due and that no process has claimed, by kind. At most 10,000 are counted."
    );
    describe_age("outbox_oldest_seconds", "Age of the oldest delivery that was neither made nor rejected.");
    describe_gauge!(
        "outbox_rejected",
        "Deliveries that their service has rejected. They are not retried. At most 10,000 are counted."
    );
    describe_age("orders_placing_oldest_seconds", "Age of the oldest checkout that has no outcome.");
    describe_age(
        "provider_events_unapplied_oldest_seconds",
        "Age of the oldest event of a payment provider that was received and not applied.",
    );
    describe_gauge!(
        "payments_unsettled",
        "Payments whose provider is polled, because money may still move, by status. At most 10,000 are counted."
    );
    describe_age("payments_unsettled_oldest_seconds", "Age of the oldest payment that is polled, by status.");
    describe_age(
        "refunds_pending_oldest_seconds",
        "Time since the oldest refund that is not done was required.",
    );
    describe_age(
        "payments_of_pending_orders_oldest_seconds",
        "Age of the oldest payment that may still succeed, of an order that is neither paid, confirmed nor cancelled.",
    );
    describe_gauge!(
        "payment_reviews_open",
        "Payments that wait for a person's decision. At most 10,000 are counted."
    );
    describe_age(
        "payment_reviews_open_oldest_seconds",
        "Age of the oldest review of a payment that is not resolved.",
    );
}

/// Samples the backlog until it is dropped.
pub(crate) async fn run(app: App) {
    sample("backlog", || async {
        show_backlog(&db::backlog(&app.db).await?);
        show_unsettled(&db::unsettled(&app.db).await?);
        Ok::<_, sqlx::Error>(())
    })
    .await;
}

fn show_backlog(backlog: &Backlog) {
    let Backlog { clear_cart_due, release_stock_due, outbox_rejected, .. } = backlog;
    for (kind, due) in
        [(DeliveryKind::ClearCart, *clear_cart_due), (DeliveryKind::ReleaseStock, *release_stock_due)]
    {
        gauge!("outbox_due", "kind" => kind.as_str()).set(count(due));
    }
    gauge!("outbox_oldest_seconds").set(backlog.outbox_oldest);
    gauge!("outbox_rejected").set(count(*outbox_rejected));
    gauge!("orders_placing_oldest_seconds").set(backlog.placing_oldest);
    gauge!("provider_events_unapplied_oldest_seconds").set(backlog.events_oldest);
    gauge!("refunds_pending_oldest_seconds").set(backlog.refunds_oldest);
    gauge!("payments_of_pending_orders_oldest_seconds").set(backlog.payments_of_pending_orders_oldest);
    gauge!("payment_reviews_open").set(count(backlog.reviews));
    gauge!("payment_reviews_open_oldest_seconds").set(backlog.reviews_oldest);
}

fn show_unsettled(unsettled: &[Unsettled]) {
    for status in PaymentStatus::POLLED {
        let payments = unsettled.iter().find(|payments| payments.status == status);
        let (number, oldest) = payments.map_or((0, 0.0), |payments| (payments.count, payments.oldest));
        gauge!("payments_unsettled", "status" => status.as_str()).set(count(number));
        gauge!("payments_unsettled_oldest_seconds", "status" => status.as_str()).set(oldest);
    }
}

/// A number of at most 10,000.
fn count(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}
