//! The rule that an enabled admin always remains.

use uuid::Uuid;

use crate::{
    error::Error,
    users::{Role, User},
};

/// Finds the user to change or delete among the locked users.
pub(super) fn target(locked: &[User], id: Uuid) -> Result<&User, Error> {
    locked.iter().find(|user| user.id == id).ok_or(Error::UserNotFound)
}

/// Rejects the removal of the only enabled admin. `locked` contains the user and all enabled admins.
pub(super) fn require_another_admin(locked: &[User], id: Uuid) -> Result<(), Error> {
    let is_enabled_admin = |user: &&User| user.role == Role::Admin && !user.disabled;
    let has_another = locked.iter().filter(is_enabled_admin).any(|user| user.id != id);
    if has_another || !locked.iter().filter(is_enabled_admin).any(|user| user.id == id) {
        Ok(())
    } else {
        Err(Error::LastAdmin)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn user(id: u128, role: Role, disabled: bool) -> User {
        User {
            id: Uuid::from_u128(id),
            name: String::new(),
            email: String::new(),
            username: None,
            role,
            avatar_url: String::new(),
            avatar_thumbnail_url: String::new(),
            disabled,
            email_verified: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_enabled_admin_always_remains() {
        let [one, two, disabled, regular] = [
            user(1, Role::Admin, false),
            user(2, Role::Admin, false),
            user(3, Role::Admin, true),
            user(4, Role::User, false),
        ];
        let can_remove = |locked: &[&User], id| {
            let locked: Vec<_> = locked.iter().copied().cloned().collect();
            require_another_admin(&locked, Uuid::from_u128(id)).is_ok()
        };
        assert!(can_remove(&[&one, &two], 1));
        assert!(!can_remove(&[&one], 1), "the last one");
        assert!(!can_remove(&[&one, &disabled], 1), "a disabled admin does not count");
        assert!(can_remove(&[&one, &disabled], 3), "a disabled admin can be removed");
        assert!(can_remove(&[&one, &regular], 4), "a user who is not an admin can be removed");
    }
}
