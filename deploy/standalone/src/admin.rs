//! Those who run the shop.

use std::io;

use anyhow::{Context as _, ensure};
use bodega_identity::Settings;
use clap::Subcommand;
use sqlx::{PgPool, postgres::PgConnectOptions};

use crate::{database, secrets};

/// What can be done about admins.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an account that runs the shop; one that is there already becomes an admin and gets the password
    Create(CreateArgs),
}

#[derive(clap::Args)]
pub(crate) struct CreateArgs {
    /// What the admin signs in with
    #[arg(long)]
    email: String,
    /// Full name
    #[arg(long, default_value = "Admin")]
    name: String,
    /// 8 to 256 characters; `-` reads a line from standard input; without, one is made and printed
    #[arg(long)]
    password: Option<String>,
}

/// An admin who has just been made.
pub(crate) struct NewAdmin {
    /// What they sign in with.
    pub(crate) email: String,
    /// The password that was made for them, unless they brought one.
    pub(crate) password: Option<String>,
}

/// Runs a command; returns what to print.
///
/// # Errors
/// When the database cannot be reached, or email, name or password are refused.
pub(crate) async fn run(
    command: Command,
    owner: &PgConnectOptions,
    settings: &Settings,
) -> anyhow::Result<String> {
    let Command::Create(CreateArgs { email, name, password }) = command;
    let password = match password.as_deref() {
        Some("-") => Some(read_password()?),
        _ => password,
    };
    let db = database::connect(owner).await?;
    let admin = create(&db, settings, &name, &email, password).await?;
    db.close().await;
    Ok(match admin.password {
        Some(password) => {
            format!("{} runs the shop now; password, shown only this once: {password}\n", admin.email)
        }
        None => format!("{} runs the shop now.\n", admin.email),
    })
}

/// Makes the first admin: of this email and password, where they are given; else, in a store without any account,
/// `admin@bodega.local` with a password that is made up. `None` when nobody had to be made.
///
/// # Errors
/// When the database fails, or email or password are refused.
pub(crate) async fn ensure_one(
    db: &PgPool,
    settings: &Settings,
    email: Option<&str>,
    password: Option<&str>,
) -> anyhow::Result<Option<NewAdmin>> {
    let (accounts, admins): (bool, bool) = sqlx::query_as(
        "select exists (select from identity.users),
                exists (select from identity.users where role = 'admin' and not disabled and deleted_at is null)",
    )
    .fetch_one(db)
    .await?;
    if admins || (accounts && email.is_none()) {
        return Ok(None);
    }
    let email = email.unwrap_or("admin@bodega.local");
    let admin = create(db, settings, "Admin", email, password.map(ToOwned::to_owned))
        .await
        .context("BODEGA_ADMIN_EMAIL, BODEGA_ADMIN_PASSWORD")?;
    Ok(Some(admin))
}

async fn create(
    db: &PgPool,
    settings: &Settings,
    name: &str,
    email: &str,
    password: Option<String>,
) -> anyhow::Result<NewAdmin> {
    let made = password.is_none().then(secrets::random_password);
    let password = made.as_deref().or(password.as_deref()).unwrap_or_default();
    bodega_identity::create_admin(db, settings, name, email, password).await?;
    Ok(NewAdmin { email: email.to_owned(), password: made })
}

fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(!password.is_empty(), "--password is `-`, but standard input has no line");
    Ok(password.to_owned())
}
