//! Creates the database cluster with its superuser and password.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, bail};

use crate::SUPERUSER;
use crate::binaries::Binaries;
use crate::data_dir::{DataDir, private_file};
use crate::process;

/// The locales to try, in this order. `C.UTF-8` sorts by code point and maps the case of all letters, but not every system
/// has it; `C` maps the case of ASCII letters only.
const LOCALES: [&str; 2] = ["--locale=C.UTF-8", "--no-locale"];

/// Creates the cluster unless it exists. Returns the superuser's password if the cluster is durable.
///
/// # Errors
/// When `initdb` fails, with its output, and when files cannot be read or written.
pub(crate) fn prepare(
    binaries: &Binaries,
    data_dir: &DataDir,
    durable: bool,
) -> anyhow::Result<Option<String>> {
    if data_dir.version()?.is_none() {
        tracing::debug!("creating a database cluster in {}", data_dir.path.display());
        if durable {
            write_password(data_dir)?;
        }
        run_initdb(binaries, data_dir, durable)?;
    }
    if durable { read_password(data_dir).map(Some) } else { Ok(None) }
}

/// Creates the cluster in a staging directory and moves it into place when complete, so that a run that is killed
/// does not leave an incomplete cluster.
fn run_initdb(binaries: &Binaries, data_dir: &DataDir, durable: bool) -> anyhow::Result<()> {
    let mut message = String::new();
    for locale in LOCALES {
        let mut initdb = binaries.command("initdb", data_dir.user);
        initdb.arg("-D").arg(data_dir.staging()).args(["-U", SUPERUSER, "--encoding=UTF8", locale]);
        if durable {
            initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(data_dir.password_file());
        } else {
            initdb.args(["--auth=trust", "--no-sync"]);
        }
        initdb.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());

        remove_tree(&data_dir.staging())?;
        let output = process::spawn(initdb).and_then(Child::wait_with_output);
        let output = output.context("cannot run initdb")?;
        if output.status.success() {
            return move_into_place(data_dir).context("cannot move the new cluster into place");
        }
        message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    bail!("initdb failed: {message}")
}

fn move_into_place(data_dir: &DataDir) -> io::Result<()> {
    fs::rename(data_dir.staging(), data_dir.pgdata())?;
    // A power failure must not undo the rename once data is committed.
    File::open(&data_dir.path)?.sync_all()
}

fn remove_tree(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {path:?}"))
        }
        _ => Ok(()),
    }
}

/// Writes a new password to a file outside of the cluster's data, so that a copy of the data does not contain it.
fn write_password(data_dir: &DataDir) -> anyhow::Result<()> {
    let path = data_dir.password_file();
    let password: [u8; 32] = rand::random();
    let text: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = || -> io::Result<()> {
        let mut file = private_file().truncate(true).open(&path)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {path:?}"))?;
    // initdb reads it as the server's user.
    data_dir.chown(&path)
}

fn read_password(data_dir: &DataDir) -> anyhow::Result<String> {
    let path = data_dir.password_file();
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read the superuser's password from {}", path.display()))?;
    Ok(text.trim().to_owned())
}
