//! `bodega keys`: generates the secrets of a store whose services are separate processes. `bodega keys rotate`: replaces the
//! keys that sign access tokens.

use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum, builder::PossibleValue};
use sqlx::postgres::PgConnectOptions;
use tempfile::NamedTempFile;

use crate::{
    database,
    secrets::{self, Secrets},
    store_args::StoreArgs,
};

/// A secret, in a file of the same name.
#[derive(Clone, Copy)]
struct Secret {
    file: &'static str,
    generate: fn() -> String,
    /// The processes that need it.
    readers: &'static [&'static str],
}

const SECRETS: &[Secret] = &[
    secret("service-token", &["identity", "catalog", "cart", "order", "gateway"]),
    secret("jwt-secret-key", &["identity"]),
    secret("owner-password", &["postgres"]),
    secret("identity-db-password", &["identity"]),
    secret("catalog-db-password", &["catalog"]),
    secret("cart-db-password", &["cart"]),
    secret("order-db-password", &["order"]),
    Secret { file: "admin-password", generate: secrets::random_password, readers: &[] },
];

const fn secret(file: &'static str, readers: &'static [&'static str]) -> Secret {
    Secret { file, generate: secrets::random_secret, readers }
}

impl ValueEnum for Secret {
    fn value_variants<'a>() -> &'a [Self] {
        SECRETS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.file))
    }
}

/// Options of `bodega keys`.
#[derive(clap::Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Directory of the secrets: missing files are generated, existing ones are kept
    #[arg(long, required = true)]
    dir: Option<PathBuf>,
    /// Directory with a directory for each process, such as `cart`, to which the secrets that it needs are copied; missing
    /// directories are skipped
    #[arg(long, value_name = "DIR")]
    copies: Option<PathBuf>,
    /// Print this secret
    #[arg(long, value_name = "SECRET")]
    print: Option<Secret>,
}

/// Subcommands of `bodega keys`.
#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// Replace the key that signs access tokens, and the generated secret that encrypts it. All sessions and tokens stay valid
    Rotate,
}

/// Replaces the signing key, and the secret if it is generated. Returns the output.
///
/// # Errors
/// When the database cannot be reached, or the secret is not the one that encrypted the signing key.
pub(crate) async fn rotate(store: &StoreArgs, owner: &PgConnectOptions) -> anyhow::Result<String> {
    let db = database::connect(owner).await?;
    let rotated = bodega_identity::rotate_signing_key(&db, &store.identity()?).await;
    db.close().await;
    let rotated = rotated?;
    let secret = if !store.has_generated_secret() {
        "JWT_SECRET_KEY is unchanged, because it is not generated: SECURITY.md says how to replace it.\n"
    } else if rotated.is_under_secondary_secret {
        "The generated secret was replaced before. It is used from the next start of bodega on.\n"
    } else {
        Secrets::rotate_jwt_secret_key(&store.data_dir)?;
        "The generated secret was replaced, too. It is used from the next start of bodega on.\n"
    };
    Ok(format!(
        "New tokens are signed with the key {} within a minute. Tokens of the previous key stay valid until they expire.\n{secret}",
        rotated.kid
    ))
}

/// Generates what is missing, and copies it. Returns the secret that is to be printed.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn run(args: &Args) -> anyhow::Result<Option<String>> {
    let dir = args.dir.as_deref().context("--dir is missing")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for secret in SECRETS {
        let file = dir.join(secret.file);
        create(&file, secret.generate).with_context(|| format!("cannot write {}", file.display()))?;
        for copy in
            args.copies.iter().flat_map(|copies| secret.readers.iter().map(|reader| copies.join(reader)))
        {
            if copy.is_dir() {
                let copy = copy.join(secret.file);
                update(&copy, &read(&file)?).with_context(|| format!("cannot write {}", copy.display()))?;
            }
        }
    }
    args.print.map(|secret| read(&dir.join(secret.file))).transpose()
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Writes a generated secret to `file`, unless it exists.
fn create(file: &Path, generate: impl FnOnce() -> String) -> anyhow::Result<()> {
    if file.try_exists()? {
        return Ok(());
    }
    match new_file(file, &generate())?.persist_noclobber(file) {
        // Generated at the same time by another process.
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => Ok(result.map(drop)?),
    }
}

/// Writes the secret to `file`, unless it has it.
fn update(file: &Path, secret: &str) -> anyhow::Result<()> {
    if fs::read_to_string(file).is_ok_and(|found| found == secret) {
        return Ok(());
    }
    new_file(file, secret)?.persist(file)?;
    Ok(())
}

/// Writes a temporary file in the directory of `file`, so that a crash never leaves an incomplete secret.
fn new_file(file: &Path, secret: &str) -> anyhow::Result<NamedTempFile> {
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut new =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o400)).tempfile_in(directory)?;
    new.write_all(secret.as_bytes())?;
    new.as_file().sync_all()?;
    Ok(new)
}
