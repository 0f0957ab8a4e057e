//! Creation of admins, one-time passwords, and the removal of second factors.

use std::io;

use anyhow::{Context as _, ensure};
use bodega_identity::Settings;
use bodega_runtime::database::Pool;
use clap::Subcommand;
use sqlx::postgres::PgConnectOptions;

use crate::{database, secrets};

/// Subcommands of `bodega admin`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create an admin, or make an existing user an admin with the new password
    Create(CreateArgs),
    /// Replace a user's password by a one-time password, which is printed, and end the user's sessions
    ResetPassword {
        /// Email or username of the user
        #[arg(long = "email", visible_alias = "username")]
        login: String,
    },
    /// Remove the second factor of a user who has lost the app and the recovery codes, and end the user's sessions
    #[command(name = "remove-2fa")]
    RemoveSecondFactor {
        /// Email or username of the user
        #[arg(long = "email", visible_alias = "username")]
        login: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    /// Email to sign in with
    #[arg(long)]
    email: String,
    /// Full name
    #[arg(long, default_value = "Admin")]
    name: String,
    /// 8 to 256 characters; `-` reads it from standard input [default: random, printed]
    #[arg(long)]
    password: Option<String>,
}

/// A created admin.
pub(crate) struct NewAdmin {
    pub(crate) email: String,
    /// The password, if it was generated.
    pub(crate) password: Option<String>,
}

/// Runs a command; returns its output.
///
/// # Errors
/// When the database cannot be reached, email, name or password are invalid, or there is no such user.
pub(crate) async fn run(
    command: Command,
    owner: &PgConnectOptions,
    settings: &Settings,
) -> anyhow::Result<String> {
    let db = database::connect(owner).await?;
    let output = match command {
        Command::Create(args) => create_or_update(&db, settings, args).await,
        Command::ResetPassword { login } => reset_password(&db, settings, &login).await,
        Command::RemoveSecondFactor { login } => remove_second_factor(&db, &login).await,
    };
    db.close().await;
    output
}

async fn create_or_update(
    db: &Pool,
    settings: &Settings,
    CreateArgs { email, name, password }: CreateArgs,
) -> anyhow::Result<String> {
    let password = match password.as_deref() {
        Some("-") => Some(read_password()?),
        _ => password,
    };
    let admin = create(db, settings, &name, &email, password).await?;
    Ok(match admin.password {
        Some(password) => {
            format!("{} is an admin now; password (shown only once): {password}\n", admin.email)
        }
        None => format!("{} is an admin now.\n", admin.email),
    })
}

async fn reset_password(db: &Pool, settings: &Settings, login: &str) -> anyhow::Result<String> {
    let password = secrets::random_password();
    bodega_identity::reset_password(db, settings, login, &password).await?;
    let hours = bodega_identity::ONE_TIME_PASSWORD_TTL.as_secs() / 3600;
    Ok(format!(
        "One-time password of {login}, for one sign-in within {hours} hours (shown only once): {password}\n\
         It is the current password with which the user sets a new one after signing in.\n"
    ))
}

async fn remove_second_factor(db: &Pool, login: &str) -> anyhow::Result<String> {
    bodega_identity::remove_second_factor(db, login).await?;
    Ok(format!("{login} signs in without a second factor now, and can enroll another one.\n"))
}

/// Creates the first admin, with the given email and password; without an email only in a store without users, as
/// `admin@bodega.local`. Generates a missing password. Returns `None` if there is an admin already.
///
/// # Errors
/// When the database fails, or email or password are invalid.
pub(crate) async fn ensure_one(
    db: &Pool,
    settings: &Settings,
    email: Option<&str>,
    password: Option<&str>,
) -> anyhow::Result<Option<NewAdmin>> {
    let (users, admins): (bool, bool) = sqlx::query_as(
        "select exists (select from identity.users),
                exists (select from identity.users where role = 'admin' and not disabled and deleted_at is null)",
    )
    .fetch_one(db)
    .await?;
    if admins || (users && email.is_none()) {
        return Ok(None);
    }
    let email = email.unwrap_or("admin@bodega.local");
    let admin = create(db, settings, "Admin", email, password.map(ToOwned::to_owned))
        .await
        .context("BODEGA_ADMIN_EMAIL, BODEGA_ADMIN_PASSWORD")?;
    Ok(Some(admin))
}

async fn create(
    db: &Pool,
    settings: &Settings,
    name: &str,
    email: &str,
    password: Option<String>,
) -> anyhow::Result<NewAdmin> {
    let generated = password.is_none().then(secrets::random_password);
    let password = generated.as_deref().or(password.as_deref()).unwrap_or_default();
    bodega_identity::create_admin(db, settings, name, email, password).await?;
    Ok(NewAdmin { email: email.to_owned(), password: generated })
}

fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "--password is `-`, but standard input is empty");
    Ok(password.to_owned())
}
