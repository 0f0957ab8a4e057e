//! Moves an order of a guest into an account.

use bodega_audit::{Event, Subject};
use bodega_runtime::auth::Caller;
use uuid::Uuid;

use super::{
    access,
    db::{self, Order},
};
use crate::{AUDIT, app::App, error::Error};

/// Moves the order that `token` opens into the caller's account. The token is void then. A retry returns the order.
///
/// # Errors
/// [`Error::OrderNotFound`] for a wrong token, and for an order of another user.
pub(crate) async fn claim(app: &App, id: Uuid, token: &str, caller: &Caller) -> Result<Order, Error> {
    if let Some(guest_id) = access::guest_with_token(&app.db, id, token).await? {
        let mut transaction = app.db.begin().await?;
        // Of concurrent claims, the first one finds the guest's order.
        let claimed = sqlx::query!(
            "with claimed as (
                 -- The version was that of the guest's cart. Numbers are positive, so it cannot be that of one of the user's.
                 update orders.orders
                 set user_id = $3, access_key_hash = null, cart_version = -number,
                     updated_at = greatest(clock_timestamp(), updated_at)
                 where id = $1 and user_id = $2
                 returning id
             ), contact as (
                 update orders.order_contacts c set user_id = $3 from claimed where c.order_id = claimed.id
             )
             select id from claimed",
            id,
            guest_id,
            caller.user_id,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if claimed.is_some() {
            let event = Event::new("order.claimed", caller).on(Subject::new("order", id));
            AUDIT.record(&mut transaction, event).await?;
        }
        transaction.commit().await?;
    }
    db::find(&app.db, id, Some(caller.user_id)).await?.ok_or(Error::OrderNotFound)
}
