//! Changes the status of an order. A cancellation is a status change, too.

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

/// Changes the status of an order of `owner` (of any user if `None`) on behalf of the user `actor`. Concurrent changes are
/// serialized; each must be allowed from the status that the previous one has set.
pub(crate) async fn change_status(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    status: OrderStatus,
    actor: Uuid,
) -> Result<Order, Error> {
    let change = update_locked(app, id, owner, |payments| payments.change_status(status, Some(actor)));
    let (payments, ()) = change.await?;

    let release_stock = async {
        if status == OrderStatus::Cancelled {
            deliveries::deliver_pending_inline(app, id).await;
        }
    };
    tokio::join!(release_stock, reconcile::take_actions_inline(app, &payments));
    db::find(&app.db, id, owner).await?.ok_or(Error::OrderNotFound)
}
