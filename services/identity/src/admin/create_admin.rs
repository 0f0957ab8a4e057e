//! Creating an admin on the command line.

use bodega_audit::{Actor, Event, Subject};
use bodega_runtime::{database::Pool, status::Violations};
use uuid::Uuid;

use crate::{
    AUDIT,
    config::Settings,
    error::Error,
    passwords::{self, Hasher, PersonalData, Verification, check_policy, db::Credentials},
    recovery::{MailKind, enqueue},
    sessions,
    users::{self, Email, Name, Role, Username, db::NewUser},
};

/// The result of [`create_admin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatedAdmin {
    /// A new user was created.
    Created(Uuid),
    /// An existing user is now an enabled admin with the given password.
    Updated(Uuid),
}

/// Creates an admin, or makes the user with this email an enabled admin. An existing user keeps the name; when the
/// password changes, all sessions end, and a replica that sends mail notifies the user. A second call with the same arguments changes nothing.
///
/// # Errors
/// When name, email or password are invalid, or the database fails.
pub async fn create_admin(
    db: &Pool,
    settings: &Settings,
    name: &str,
    email: &str,
    password: &str,
) -> anyhow::Result<CreatedAdmin> {
    let mut violations = Violations::new();
    let name = Name::parse(name, &mut violations);
    let email = Email::parse(email, &mut violations);
    let personal = PersonalData { name: &name, email: &email, username: None::<&Username> };
    check_policy(password, &personal, "password", &mut violations);
    violations.finish()?;

    let hasher = Hasher::new(settings)?;
    if let Some(existing) = passwords::db::find(db, &email.normalized).await? {
        update(db, &hasher, &existing, password).await?;
        return Ok(CreatedAdmin::Updated(existing.id));
    }
    let new = NewUser {
        id: Uuid::now_v7(),
        name: &name,
        email: &email,
        username: None,
        password_hash: &hasher.hash(password).await?,
        role: Role::Admin,
    };
    let mut transaction = db.begin().await?;
    users::db::insert(&mut *transaction, &new).await.map_err(Error::from_user_write)?;
    let event = Event::new("admin.created", Actor::System).on(Subject::user(new.id));
    AUDIT.record(&mut transaction, event).await?;
    transaction.commit().await?;
    Ok(CreatedAdmin::Created(new.id))
}

async fn update(db: &Pool, hasher: &Hasher, existing: &Credentials, password: &str) -> Result<(), Error> {
    let verification = hasher.verify(&existing.password_hash, password).await?;
    let hash = hasher.hash(password).await?;

    let mut transaction = db.begin().await?;
    let locked = passwords::db::lock(&mut transaction, existing.id).await?.ok_or(Error::UserNotFound)?;
    if locked.user.role != Role::Admin || locked.user.disabled {
        users::db::set_role(&mut transaction, existing.id, Role::Admin, false).await?;
        let event = Event::new("admin.created", Actor::System).on(Subject::user(existing.id));
        AUDIT.record(&mut transaction, event).await?;
    }
    let has_changed = locked.password_hash != existing.password_hash;
    if verification == Verification::Wrong || has_changed {
        passwords::db::set_hash(&mut transaction, existing.id, &hash).await?;
        let event = Event::new("password.reset", Actor::System).on(Subject::user(existing.id));
        AUDIT.record(&mut transaction, event).await?;
        enqueue(&mut *transaction, MailKind::PasswordChanged, Some(existing.id), None).await?;
        sessions::db::sessions::end_all(&mut *transaction, existing.id, None).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Returns whether an admin can log in.
///
/// # Errors
/// When the database fails.
pub async fn has_admin(db: &Pool) -> sqlx::Result<bool> {
    users::db::has_admin(db).await
}
