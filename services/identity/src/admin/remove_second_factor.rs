//! Removing a second factor on the command line.

use anyhow::{Context as _, ensure};
use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::database::Pool;
use uuid::Uuid;

use crate::{AUDIT, passwords, second_factor, sessions, users::normalize};

/// Removes the second factor of the user with this email or username, who has lost the authenticator app and the recovery
/// codes, and ends the user's sessions. Returns the id of the user.
///
/// # Errors
/// When there is no such user, the user has no second factor, or the database fails.
pub async fn remove_second_factor(db: &Pool, login: &str) -> anyhow::Result<Uuid> {
    let found = passwords::db::find(db, &normalize(login.trim())).await?;
    let id = found.context("no user has this email or username")?.id;
    let mut transaction = db.begin().await?;
    let locked = passwords::db::lock(&mut transaction, id).await?.context("the user was deleted")?;
    ensure!(locked.has_second_factor, "the user has no second factor");
    second_factor::db::delete(&mut transaction, id).await?;
    sessions::db::sessions::end_all(&mut *transaction, id, None).await?;
    let event = Event::new("second_factor.disabled", Actor::System).on(Subject::user(id));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(id)
}
