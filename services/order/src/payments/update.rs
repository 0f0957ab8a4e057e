//! Changes an order and its payments in one transaction, under the lock of the order's row.

use bodega_runtime::database::retry_on_conflict;
use sqlx::PgConnection;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{
    db::order_payments as db, order_payments::OrderPayments, refunds::RefundChange, review::ReviewChange,
};
use crate::{app::App, error::Error, metrics};

/// Loads an order of `owner` (of any user if `None`) with its payments, applies `change`, and saves the result. `change`
/// runs again if the transaction is retried.
///
/// # Errors
/// [`Error::OrderNotFound`]; errors of `change`, with nothing saved.
pub(crate) async fn update_locked<T>(
    app: &App,
    order_id: Uuid,
    owner: Option<Uuid>,
    change: impl Fn(&mut OrderPayments) -> Result<T, Error>,
) -> Result<(OrderPayments, T), Error> {
    let updated = retry_on_conflict(|| async {
        let mut transaction = app.db.begin().await?;
        let updated = update_in(app, &mut transaction, order_id, owner, &change).await?;
        transaction.commit().await?;
        Ok::<_, Error>(updated)
    });
    let (payments, result) = updated.await?.ok_or(Error::OrderNotFound)?;
    log_changes(&payments);
    Ok((payments, result))
}

/// As [`update_locked`], in a transaction of the caller. Returns `None` if the order does not exist. Writes nothing if
/// nothing has changed.
pub(crate) async fn update_in<T>(
    app: &App,
    transaction: &mut PgConnection,
    order_id: Uuid,
    owner: Option<Uuid>,
    change: impl Fn(&mut OrderPayments) -> Result<T, Error>,
) -> Result<Option<(OrderPayments, T)>, Error> {
    let Some(mut payments) = db::load_locked(transaction, order_id, owner).await? else { return Ok(None) };
    let before = payments.clone();
    let result = change(&mut payments)?;
    if payments != before {
        let window = app.providers.order_window(payments.total_minor);
        db::save(transaction, &payments, window).await?;
    }
    Ok(Some((payments, result)))
}

/// Logs and counts the changes since the payments were loaded, which were committed.
pub(crate) fn log_changes(payments: &OrderPayments) {
    metrics::changed(payments);
    let id = payments.order_id;
    for change in &payments.review_changes {
        if let ReviewChange::Opened { payment_id, review } = change {
            let reason = review.reason.as_str();
            error!(order.id = %id, payment.id = %payment_id, reason, "a person has to decide about the payment");
        }
    }
    for change in &payments.refund_changes {
        match change {
            RefundChange::Updated { refund, failure: Some(failure), .. } => {
                warn!(order.id = %id, refund.id = %refund.id, "refund has failed: {failure}");
            }
            RefundChange::Updated { refund, failure: None, .. } => {
                info!(order.id = %id, refund.id = %refund.id, "refund is {}", refund.status.as_str());
            }
            RefundChange::Found { refund, .. } => {
                info!(order.id = %id, refund.id = %refund.id, "recorded a refund that was made at the provider");
            }
        }
    }
    for event in &payments.new_events {
        if event.status_changed {
            info!(order.id = %id, "order status changed to {}", event.status);
        }
        if let Some((payment_id, status)) = event.payment {
            info!(order.id = %id, payment.id = %payment_id, "payment status changed to {}", status.as_str());
        }
    }
}
