//! Moving an order along its states; cancelling is one of the moves.

use bodega_runtime::database;
use uuid::Uuid;

use crate::{App, error::Error, order::Order, outbox, reconcile, status::OrderStatus, store};

/// Moves an order of `owner` (`None`: anybody's) to `to`, in the name of `actor`. Of moves at the same time, each
/// starts where the one before has led; a move that is not allowed from there fails.
pub(crate) async fn move_order(
    app: &App,
    id: Uuid,
    owner: Option<Uuid>,
    to: OrderStatus,
    actor: Uuid,
) -> Result<Order, Error> {
    let mut transaction = database::begin(&app.db).await?;
    let mut books = store::books::open(&mut transaction, id, owner).await?.ok_or(Error::NotFound)?;
    books.move_to(to, Some(actor))?;
    store::books::close(&mut transaction, &books, app.payments.window()).await?;
    transaction.commit().await?;

    reconcile::log(&books);
    if to == OrderStatus::Cancelled {
        outbox::tell_now(app, id).await;
    }
    reconcile::settle_now(app, &books).await;
    store::orders::find(&app.db, id, owner).await?.ok_or(Error::NotFound)
}
