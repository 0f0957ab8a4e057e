//! Changing the role of a user, and disabling a user.

use bodega_audit::{Event, Subject};
use bodega_runtime::{auth::Caller, database::Pool};
use serde_json::{Value, json};
use uuid::Uuid;

use super::last_admin::{require_another_admin, target};
use crate::{
    AUDIT, api_keys,
    error::Error,
    sessions,
    users::{self, Role, User},
};

/// Changes a user; `None` leaves a value unchanged. A user who loses the admin role or is disabled loses all sessions and
/// API keys. Returns the user and what ended.
pub(crate) async fn update_user(
    db: &Pool,
    caller: &Caller,
    id: Uuid,
    role: Option<Role>,
    disabled: Option<bool>,
) -> Result<(User, Vec<Uuid>), Error> {
    let mut transaction = db.begin().await?;
    let locked = users::db::lock_with_admins(&mut transaction, id).await?;
    let user = target(&locked, id)?;
    let role = role.unwrap_or(user.role);
    let disabled = disabled.unwrap_or(user.disabled);
    if role == user.role && disabled == user.disabled {
        return Ok((user.clone(), Vec::new()));
    }
    if role != Role::Admin || disabled {
        require_another_admin(&locked, id)?;
    }

    let is_demoted = user.role == Role::Admin && role != Role::Admin;
    let before = audited(user);
    let user = users::db::set_role(&mut transaction, id, role, disabled).await?;
    let event = Event::new("user.updated", caller).on(Subject::user(id));
    AUDIT.record(&mut transaction, event.change(Some(&before), Some(&audited(&user)))).await?;
    let ended = if is_demoted || disabled {
        let mut ended = sessions::db::sessions::end_all(&mut *transaction, id, None).await?;
        ended.extend(api_keys::db::end_all_of(&mut transaction, id).await?);
        ended
    } else {
        Vec::new()
    };
    transaction.commit().await?;
    Ok((user, ended))
}

/// The state that audit events contain.
fn audited(user: &User) -> Value {
    json!({ "role": user.role.as_str(), "disabled": user.disabled })
}
