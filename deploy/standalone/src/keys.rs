//! `bodega keys`: generates the secrets of a store whose services are separate processes.

use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{ValueEnum, builder::PossibleValue};
use tempfile::NamedTempFile;

use crate::secrets;

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
pub(crate) struct Args {
    /// Directory of the secrets: missing files are generated, existing ones are kept
    #[arg(long)]
    dir: PathBuf,
    /// Directory with a directory for each process, such as `cart`, to which the secrets that it needs are copied; missing
    /// directories are skipped
    #[arg(long, value_name = "DIR")]
    copies: Option<PathBuf>,
    /// Print this secret
    #[arg(long, value_name = "SECRET")]
    print: Option<Secret>,
}

/// Generates what is missing, and copies it. Returns the secret that is to be printed.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn run(args: &Args) -> anyhow::Result<Option<String>> {
    fs::create_dir_all(&args.dir).with_context(|| format!("cannot create {}", args.dir.display()))?;
    for secret in SECRETS {
        let file = args.dir.join(secret.file);
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
    args.print.map(|secret| read(&args.dir.join(secret.file))).transpose()
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
