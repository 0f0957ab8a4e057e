//! A guest signs in: the guest's cart becomes part of the user's, and ends.

use sqlx::PgPool;
use tracing::info;
use uuid::Uuid;

use crate::{
    cart::{MAX_LINES, MAX_QUANTITY},
    error::Error,
    owner::{Owner, TokenHash},
    store::{carts, items},
};

/// Adds the guest's lines to the user's cart and ends the guest's, all at once or not at all.
///
/// Nothing is refused, since nobody is there to be asked: a line stops at [`MAX_QUANTITY`] units, and when
/// [`MAX_LINES`] would be exceeded, the user's lines stay and the guest's newest are dropped.
///
/// Of any number of merges of the same cart, one finds it: the others, and those with a token that has ended, change
/// nothing. The guest's cart is locked before the user's, and no one locks two carts in another order.
///
/// # Errors
/// The database's; nothing has changed.
pub(crate) async fn merge_guest_cart(db: &PgPool, guest: TokenHash, user_id: Uuid) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    let Some(guest_cart) = carts::lock(&mut *transaction, &Owner::Guest(guest)).await? else {
        return Ok(());
    };
    let user_cart = carts::touch_or_create(&mut *transaction, user_id).await?;
    items::merge(&mut *transaction, guest_cart, user_cart, MAX_QUANTITY, MAX_LINES).await?;
    carts::delete(&mut *transaction, guest_cart).await?;
    transaction.commit().await?;
    info!(cart.id = %user_cart, "Merged guest cart {guest_cart} into cart {user_cart}");
    Ok(())
}
