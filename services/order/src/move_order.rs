//! Moving an order along its states; cancelling is one of the moves.

use uuid::Uuid;

use crate::{App, error::Error, order::Order, outbox, status::OrderStatus, store};

/// Moves an order of `owner` (`None`: anybody's) to `to`, in the name of `actor`. Of moves at the same time, each
/// starts where the one before has led; a move that is not allowed from there fails.
pub(crate) async fn move_order(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    to: OrderStatus,
    actor: Uuid,
) -> Result<Order, Error> {
    while !store::moves::go(&app.db, id, owner, to, actor).await? {
        let from = store::moves::status(&app.db, id, owner).await?.ok_or(Error::NotFound)?;
        if !from.can_become(to) {
            return Err(Error::InvalidTransition { from, to });
        }
        // It has come here since: once more. No order moves more than a few times.
    }
    tracing::info!(order.id = %id, "Order {id} is {to}");
    if to == OrderStatus::Cancelled {
        outbox::tell_now(app, id).await;
    }
    store::orders::find(&app.db, id, owner).await?.ok_or(Error::NotFound)
}
