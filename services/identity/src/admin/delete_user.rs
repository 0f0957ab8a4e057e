//! Deleting a user.

use bodega_audit::{Event, Subject};
use bodega_runtime::{auth::Caller, database::Pool};
use uuid::Uuid;

use super::last_admin::{require_another_admin, target};
use crate::{
    AUDIT, api_keys, avatars, error::Error, failed_logins, recovery, second_factor, sessions, users,
};

/// Erases the personal data of a user and ends its sessions and API keys. Returns what ended.
pub(crate) async fn delete_user(db: &Pool, caller: &Caller, id: Uuid) -> Result<Vec<Uuid>, Error> {
    let mut transaction = db.begin().await?;
    let locked = users::db::lock_with_admins(&mut transaction, id).await?;
    target(&locked, id)?;
    require_another_admin(&locked, id)?;

    avatars::db::release_image(&mut transaction, id).await?;
    users::db::erase(&mut transaction, id).await?;
    second_factor::db::delete(&mut transaction, id).await?;
    users::addresses::db::delete_all(&mut transaction, id).await?;
    recovery::db::erase(&mut transaction, id).await?;
    let mut ended = sessions::db::sessions::end_all(&mut *transaction, id, None).await?;
    ended.extend(api_keys::db::end_all_of(&mut transaction, id).await?);
    sessions::db::sessions::erase(&mut transaction, id).await?;
    sessions::db::recognized_clients::delete_all(&mut transaction, id).await?;
    failed_logins::erase(&mut transaction, id).await?;
    let event = Event::new("user.deleted", caller).on(Subject::user(id));
    let event_id = event.id();
    AUDIT.record(&mut transaction, event).await?;
    AUDIT.erase(&mut transaction, id, event_id).await?;
    transaction.commit().await?;
    Ok(ended)
}
