//! Changes the status of an order. A cancellation is a status change, too.

use bodega_runtime::auth::{Caller, Scope};
use uuid::Uuid;

use super::{
    db::{self, Order},
    status::OrderStatus,
};
use crate::{
    app::App,
    error::Error,
    outbox::deliveries,
    payments::{reconcile, update::update_locked},
};

/// Changes the status of an order of `owner` (of any user if `None`) on behalf of `caller`. Concurrent changes are
/// serialized; each must be allowed from the status that the previous one has set. A change that refunds a payment requires a
/// recent second factor of an admin who has one, and the scope `payments:write` of an API key.
pub(crate) async fn change_status(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    status: OrderStatus,
    caller: &Caller,
) -> Result<Order, Error> {
    let change = update_locked(app, id, owner, |payments| {
        payments.change_status(status, Some(caller.user_id))?;
        if payments.begins_refund() { check_may_refund(caller) } else { Ok(()) }
    });
    let (payments, ()) = change.await?;

    let release_stock = async {
        if status == OrderStatus::Cancelled {
            deliveries::deliver_pending_inline(app, id).await;
        }
    };
    tokio::join!(release_stock, reconcile::take_actions_inline(app, &payments));
    db::find(&app.db, id, owner).await?.ok_or(Error::OrderNotFound)
}

/// Checks that a caller who may change the order may refund its payment.
fn check_may_refund(caller: &Caller) -> Result<(), Error> {
    let caller = caller.clone().check_scope(Scope::PaymentsWrite).map_err(Error::RefundNotAllowed)?;
    caller.check_recent_second_factor().map_err(Error::RefundNotAllowed)
}
