//! Setting a one-time password on the command line.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::database::Pool;
use uuid::Uuid;

use crate::{
    AUDIT,
    config::Settings,
    passwords::{self, Hasher},
    recovery::{MailKind, enqueue},
    sessions,
    users::normalize,
};

/// Time after which a one-time password expires.
pub const ONE_TIME_PASSWORD_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Replaces the password of the user with this email or username by a one-time password, and ends the user's sessions. The
/// one-time password starts one session, in which it is the current password that a new one is set with. A replica that sends
/// mail notifies the user. Returns the id of the user.
///
/// # Errors
/// When there is no such user, the user is disabled, or the database fails.
pub async fn reset_password(
    db: &Pool,
    settings: &Settings,
    login: &str,
    one_time_password: &str,
) -> anyhow::Result<Uuid> {
    let found = passwords::db::find(db, &normalize(login.trim())).await?;
    let id = found.context("no user has this email or username")?.id;
    let hash = Hasher::new(settings)?.hash(one_time_password).await?;

    let mut transaction = db.begin().await?;
    let locked = passwords::db::lock(&mut transaction, id).await?.context("the user was deleted")?;
    ensure!(!locked.user.disabled, "the user is disabled");
    passwords::db::set_one_time_hash(&mut transaction, id, &hash, ONE_TIME_PASSWORD_TTL).await?;
    sessions::db::sessions::end_all(&mut *transaction, id, None).await?;
    let event = Event::new("password.reset", Actor::System).on(Subject::user(id));
    AUDIT.record(&mut transaction, event).await?;
    enqueue(&mut *transaction, MailKind::PasswordChanged, Some(id), None).await?;
    transaction.commit().await?;
    Ok(id)
}
