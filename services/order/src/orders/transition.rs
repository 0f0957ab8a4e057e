//! Changes the status of an order. A cancellation is a status change, too.

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::{Caller, Scope},
    database::retry_on_conflict,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    db::{self, Order},
    shipments,
    status::OrderStatus,
};
use crate::{
    AUDIT,
    app::App,
    error::Error,
    outbox::deliveries,
    payments::{
        order_payments::OrderPayments,
        reconcile,
        update::{log_changes, update_in},
    },
};

/// Changes the status of an order of `owner` (of any customer if `None`) on behalf of `caller`, or of its guest if `None`. Concurrent changes are
/// serialized; each must be allowed from the status that the previous one has set. A change that refunds a payment requires a
/// recent second factor of an admin who has one, and the scope `payments:write` of an API key.
pub(crate) async fn change_status(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    status: OrderStatus,
    caller: Option<&Caller>,
) -> Result<Order, Error> {
    let change = || change_and_record(app, id, owner, status, caller);
    finish_change(app, id, owner, retry_on_conflict(change).await?).await
}

/// Cancels an order, as [`change_status`] does. An order that is cancelled already is returned as it is.
pub(crate) async fn cancel(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    caller: Option<&Caller>,
) -> Result<Order, Error> {
    match change_status(app, id, owner, OrderStatus::Cancelled, caller).await {
        Err(Error::InvalidTransition { from: OrderStatus::Cancelled, .. }) => {
            db::find(&app.db, id, owner).await?.ok_or(Error::OrderNotFound)
        }
        result => result,
    }
}

/// Makes the calls that follow from a change, and returns the order.
async fn finish_change(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    payments: OrderPayments,
) -> Result<Order, Error> {
    log_changes(&payments);
    let release_stock = async {
        if payments.was_cancelled() {
            deliveries::deliver_pending_inline(app, id).await;
        }
    };
    tokio::join!(release_stock, reconcile::take_actions_inline(app, &payments));
    db::find(&app.db, id, owner).await?.ok_or(Error::OrderNotFound)
}

/// Changes the status. Records an audit event, unless it is a change of the order's own customer, which is in its history.
async fn change_and_record(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    status: OrderStatus,
    caller: Option<&Caller>,
) -> Result<OrderPayments, Error> {
    let mut transaction = app.db.begin().await?;
    let changed = update_in(app, &mut transaction, id, owner, |payments| {
        let before = payments.status;
        payments.change_status(status, caller.map(|caller| caller.user_id))?;
        if payments.begins_refund() {
            caller.map_or(Ok(()), check_may_refund)?;
        }
        Ok(before)
    });
    let (payments, before) = changed.await?.ok_or(Error::OrderNotFound)?;
    if let (OrderStatus::Shipped, Some(caller)) = (status, caller) {
        shipments::db::insert_rest(&mut transaction, id, caller.user_id).await?;
    }
    if let (None, Some(caller)) = (owner, caller) {
        let states = [before, status].map(|status| json!({ "status": status.as_str() }));
        let event = Event::new("order.status_changed", caller).on(Subject::new("order", id));
        AUDIT.record(&mut transaction, event.change(Some(&states[0]), Some(&states[1]))).await?;
    }
    transaction.commit().await?;
    Ok(payments)
}

/// Checks that a caller who may change the order may refund its payment.
fn check_may_refund(caller: &Caller) -> Result<(), Error> {
    let caller = caller.clone().check_scope(Scope::PaymentsWrite).map_err(Error::RefundNotAllowed)?;
    caller.check_recent_second_factor().map_err(Error::RefundNotAllowed)
}
