//! Moving an order along its states; cancelling is one of the moves.

use uuid::Uuid;

use crate::{App, bookkeeping, error::Error, order::Order, outbox, reconcile, status::OrderStatus, store};

/// Moves an order of `owner` (`None`: anybody's) to `to`, in the name of `actor`. Of moves at the same time, each
/// starts where the one before has led; a move that is not allowed from there fails.
pub(crate) async fn update_order_status(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    to: OrderStatus,
    actor: Uuid,
) -> Result<Order, Error> {
    let (books, ()) = bookkeeping::keep(app, id, owner, |books| books.move_to(to, Some(actor))).await?;

    reconcile::log(&books);
    let tell = async {
        if to == OrderStatus::Cancelled {
            outbox::tell_now(app, id).await;
        }
    };
    tokio::join!(tell, reconcile::settle_now(app, &books));
    store::orders::find(&app.db, id, owner).await?.ok_or(Error::NotFound)
}
