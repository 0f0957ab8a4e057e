//! Records what a person has decided about a payment, and continues accordingly.

use bodega_audit::{Event, Subject};
use bodega_runtime::{auth::Caller, database::retry_on_conflict};
use serde_json::json;
use sqlx::PgConnection;
use tracing::info;
use uuid::Uuid;

use super::{
    db::reviews::{self, ListedPayment},
    order_payments::OrderPayments,
    reconcile,
    review::{Decision, Resolution},
    update::{log_changes, update_in},
};
use crate::{AUDIT, app::App, error::Error, outbox::deliveries};

/// Resolves the review of a payment.
///
/// # Errors
/// [`Error::PaymentNotFound`], [`Error::PaymentNotInReview`] and [`Error::InvalidResolution`].
pub(crate) async fn resolve_payment(
    app: &App,
    payment_id: Uuid,
    decision: &Decision,
    caller: &Caller,
) -> Result<ListedPayment, Error> {
    let found = reviews::find(&app.db, payment_id).await?.ok_or(Error::PaymentNotFound)?;
    let resolution = decision.resolution;
    if found.status.is_some() {
        let resolve = || resolve_locked(app, found.order_id, payment_id, decision, caller);
        let payments = retry_on_conflict(resolve).await?;
        log_changes(&payments);
        if payments.was_cancelled() {
            deliveries::deliver_pending_inline(app, found.order_id).await;
        }
        reconcile::take_actions_inline(app, &payments).await;
    } else {
        // Money for an order that does not exist: there is no more than the decision.
        if !matches!(resolution, Resolution::Completed | Resolution::Refunded) {
            return Err(Error::InvalidResolution { status: "unknown", resolution });
        }
        let mut transaction = app.db.begin().await?;
        if !reviews::resolve(&mut transaction, payment_id, decision).await? {
            return Err(Error::PaymentNotInReview);
        }
        record(&mut transaction, payment_id, resolution, caller).await?;
        transaction.commit().await?;
    }
    info!(payment.id = %payment_id, order.id = %found.order_id, "payment review resolved as {}", resolution.as_str());
    reviews::find(&app.db, payment_id).await?.ok_or(Error::PaymentNotFound)
}

async fn resolve_locked(
    app: &App,
    order_id: Uuid,
    payment_id: Uuid,
    decision: &Decision,
    caller: &Caller,
) -> Result<OrderPayments, Error> {
    let mut transaction = app.db.begin().await?;
    let resolved = update_in(app, &mut transaction, order_id, None, |payments| {
        payments.resolve(payment_id, decision.clone())
    });
    let (payments, ()) = resolved.await?.ok_or(Error::PaymentNotFound)?;
    record(&mut transaction, payment_id, decision.resolution, caller).await?;
    transaction.commit().await?;
    Ok(payments)
}

/// Records an audit event.
async fn record(
    transaction: &mut PgConnection,
    payment_id: Uuid,
    resolution: Resolution,
    caller: &Caller,
) -> Result<(), Error> {
    let event = Event::new("payment.resolved", caller).on(Subject::new("payment", payment_id));
    AUDIT.record(transaction, event.details(json!({ "resolution": resolution.as_str() }))).await?;
    Ok(())
}
