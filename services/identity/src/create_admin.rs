//! Making an admin from the command line.

use bodega_runtime::status::Violations;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    account::{Email, Name, Role, Username},
    config::Settings,
    error::Error,
    password::{self, Hasher, Personal, Verdict},
    store::{self, credentials::Credentials, users::NewAccount},
};

/// What became of [`create_admin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// There was no account with this email.
    Created(Uuid),
    /// There was one: now it is an enabled admin with this password.
    Updated(Uuid),
}

/// Makes an admin who signs in with `email` and `password`. An account with this email becomes one, keeps its name, and
/// is signed out wherever it had another password. Saying the same again changes nothing.
///
/// # Errors
/// When name, email or password are refused, as in `Register`, or the database does not answer.
pub async fn create_admin(
    db: &PgPool,
    settings: &Settings,
    name: &str,
    email: &str,
    password: &str,
) -> anyhow::Result<Admin> {
    let mut violations = Violations::new();
    let name = Name::parse(name, &mut violations);
    let email = Email::parse(email, &mut violations);
    let whose = Personal { name: &name, email: &email, username: None::<&Username> };
    password::check(password, &whose, "password", &mut violations);
    violations.finish()?;

    let hasher = Hasher::new(settings)?;
    if let Some(known) = store::credentials::find(db, &email.key).await? {
        update(db, &hasher, &known, password).await?;
        return Ok(Admin::Updated(known.id));
    }
    let new = NewAccount {
        id: Uuid::now_v7(),
        name: &name,
        email: &email,
        username: None,
        password_hash: &hasher.hash(password).await?,
        role: Role::Admin,
    };
    store::users::insert(db, &new).await.map_err(Error::of_account)?;
    Ok(Admin::Created(new.id))
}

async fn update(db: &PgPool, hasher: &Hasher, known: &Credentials, password: &str) -> Result<(), Error> {
    let same_password = hasher.verify(Some(&known.password_hash), password).await? != Verdict::Wrong;
    let hash = hasher.hash(password).await?;

    let mut tx = db.begin().await?;
    let locked = store::credentials::lock(&mut tx, known.id).await?.ok_or(Error::UserNotFound)?;
    if locked.account.role != Role::Admin || locked.account.disabled {
        store::users::set_standing(&mut tx, known.id, Role::Admin, false).await?;
    }
    if !same_password || locked.password_hash != known.password_hash {
        store::credentials::set_password_hash(&mut tx, known.id, &hash).await?;
        store::sessions::end_all(&mut *tx, known.id, None).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Whether the shop has an admin who can sign in.
///
/// # Errors
/// When the database does not answer.
pub async fn has_admin(db: &PgPool) -> sqlx::Result<bool> {
    store::users::any_admin(db).await
}
