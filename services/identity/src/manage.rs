//! What admins do to accounts. One who can run the shop is always left.

use uuid::Uuid;

use crate::{
    account::{Account, Role},
    app::App,
    error::Error,
    store,
};

/// Sets what an account may do. Returns the account, and the sessions that ended by it.
pub(crate) async fn set_standing(
    app: &App,
    id: Uuid,
    role: Option<Role>,
    disabled: Option<bool>,
) -> Result<(Account, Vec<Uuid>), Error> {
    let mut tx = app.db.begin().await?;
    let locked = store::users::lock_with_admins(&mut tx, id).await?;
    let account = target(&locked, id)?;
    let role = role.unwrap_or(account.role);
    let disabled = disabled.unwrap_or(account.disabled);
    if role == account.role && disabled == account.disabled {
        return Ok((account.clone(), Vec::new()));
    }
    if role != Role::Admin || disabled {
        leave_an_admin(&locked, id)?;
    }

    let demoted = account.role == Role::Admin && role != Role::Admin;
    let account = store::users::set_standing(&mut tx, id, role, disabled).await?;
    let ended =
        if demoted || disabled { store::sessions::end_all(&mut *tx, id, None).await? } else { Vec::new() };
    tx.commit().await?;
    Ok((account, ended))
}

/// Erases an account. Returns the sessions that ended by it.
pub(crate) async fn delete(app: &App, id: Uuid) -> Result<Vec<Uuid>, Error> {
    let mut tx = app.db.begin().await?;
    let locked = store::users::lock_with_admins(&mut tx, id).await?;
    target(&locked, id)?;
    leave_an_admin(&locked, id)?;

    store::pictures::detach_avatar(&mut tx, id).await?;
    store::users::erase(&mut tx, id).await?;
    store::addresses::clear(&mut tx, id).await?;
    let ended = store::sessions::end_all(&mut *tx, id, None).await?;
    store::sessions::erase(&mut tx, id).await?;
    tx.commit().await?;
    Ok(ended)
}

fn target(locked: &[Account], id: Uuid) -> Result<&Account, Error> {
    locked.iter().find(|account| account.id == id).ok_or(Error::UserNotFound)
}

/// Refuses to take away the only admin who can act.
fn leave_an_admin(locked: &[Account], id: Uuid) -> Result<(), Error> {
    let acts = |account: &&Account| account.role == Role::Admin && !account.disabled;
    let others = locked.iter().filter(acts).any(|account| account.id != id);
    if others || !locked.iter().filter(acts).any(|account| account.id == id) {
        Ok(())
    } else {
        Err(Error::LastAdmin)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn account(id: u128, role: Role, disabled: bool) -> Account {
        Account {
            id: Uuid::from_u128(id),
            name: String::new(),
            email: String::new(),
            username: None,
            role,
            avatar_url: String::new(),
            avatar_thumbnail_url: String::new(),
            disabled,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_admin_who_can_act_is_always_left() {
        let [one, two, off, user] = [
            account(1, Role::Admin, false),
            account(2, Role::Admin, false),
            account(3, Role::Admin, true),
            account(4, Role::User, false),
        ];
        let leaves = |locked: &[&Account], id| {
            let locked: Vec<_> = locked.iter().copied().cloned().collect();
            leave_an_admin(&locked, Uuid::from_u128(id)).is_ok()
        };
        assert!(leaves(&[&one, &two], 1));
        assert!(!leaves(&[&one], 1), "the last one");
        assert!(!leaves(&[&one, &off], 1), "a disabled admin does not count");
        assert!(leaves(&[&one, &off], 3), "and can be taken away");
        assert!(leaves(&[&one, &user], 4), "as can whoever is no admin");
    }
}
