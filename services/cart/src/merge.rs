//! Merges a guest's cart into the user's at login.

use bodega_runtime::{database::Pool, guest_token::TokenHash};
use tracing::info;
use uuid::Uuid;

use crate::{
    cart::{MAX_LINES, MAX_QUANTITY},
    db::{carts, items, merged_guests},
    error::Error,
    owner::Owner,
};

/// Adds the guest's lines to the user's cart and deletes the guest's, in one transaction. It also records where the lines are now:
/// the guest may be ordering them, and then the order clears the user's cart.
///
/// A merge is never rejected, because it is part of a login: a line is limited to [`MAX_QUANTITY`] units, and when
/// [`MAX_LINES`] would be exceeded, the guest's newest lines are dropped.
///
/// Only the first merge of a cart finds it; later ones, and those with an expired token, change nothing. The guest's cart is
/// locked before the user's; no other transaction locks two carts.
///
/// # Errors
/// Errors of the database; nothing has changed.
pub(crate) async fn merge_guest_cart(db: &Pool, guest: TokenHash, user_id: Uuid) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    let Some(guest_cart) = carts::lock(&mut *transaction, &Owner::Guest(guest)).await? else {
        return Ok(());
    };
    let user_cart = carts::touch_or_create(&mut *transaction, user_id).await?;
    items::merge(&mut *transaction, guest_cart, user_cart, MAX_QUANTITY, MAX_LINES).await?;
    merged_guests::replace(&mut *transaction, guest_cart, guest.guest_id(), user_id).await?;
    transaction.commit().await?;
    info!(cart.id = %user_cart, guest_cart.id = %guest_cart, "guest cart merged");
    Ok(())
}
