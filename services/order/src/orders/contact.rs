//! Deletes the personal data of an order: contact, addresses and note. Its lines and amounts remain.

use bodega_audit::{Event, Subject};
use bodega_runtime::auth::Caller;
use uuid::Uuid;

use crate::{AUDIT, app::App, error::Error};

/// Deletes contact, addresses and note of an order, and the hashes of them. A retry changes nothing.
///
/// # Errors
/// [`Error::OrderNotFound`].
pub(crate) async fn delete_contact(app: &App, id: Uuid, caller: &Caller) -> Result<(), Error> {
    let mut transaction = app.db.begin().await?;
    let deleted = sqlx::query_scalar!(
        r#"with hashes as (
               update orders.orders set request_hash = null where id = $1 and placed_at is not null
               returning id
           ), keys as (
               update orders.idempotency_keys k set request_hash = null from hashes where k.order_id = hashes.id
           ), contact as (
               delete from orders.order_contacts c using hashes where c.order_id = hashes.id
               returning c.order_id
           )
           select exists (select from contact) as "had_contact!" from hashes"#,
        id,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if deleted.ok_or(Error::OrderNotFound)? {
        let event = Event::new("order.contact_deleted", caller).on(Subject::new("order", id));
        AUDIT.record(&mut transaction, event).await?;
    }
    transaction.commit().await?;
    Ok(())
}
