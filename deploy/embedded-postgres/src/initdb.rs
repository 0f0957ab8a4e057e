//! Making a cluster, once, with a superuser and its password.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, bail};

use crate::SUPERUSER;
use crate::binaries::Binaries;
use crate::home::{Home, private_file};
use crate::process;

/// `C.UTF-8` sorts by code point and knows the case of every letter, but not every system has it.
const LOCALES: [&str; 2] = ["--locale=C.UTF-8", "--no-locale"];

/// Makes the data when there is none; answers the superuser's password, if it has one.
///
/// # Errors
/// When `initdb` fails, with what it said, or when files cannot be written.
pub(crate) fn prepare(binaries: &Binaries, home: &Home, durable: bool) -> anyhow::Result<Option<String>> {
    let exists = home.version()?.is_some();
    if !exists {
        tracing::debug!("Making a database cluster in {}", home.path().display());
        if durable {
            write_password(home)?;
        }
        make(binaries, home, durable)?;
    }
    if durable { read_password(home).map(Some) } else { Ok(None) }
}

/// Builds beside the data and moves it there when whole: a run that was killed half-way leaves
/// nothing that looks like a cluster.
fn make(binaries: &Binaries, home: &Home, durable: bool) -> anyhow::Result<()> {
    let mut said = String::new();
    for locale in LOCALES {
        let mut initdb = binaries.initdb(home.user());
        initdb.arg("-D").arg(home.staging()).args(["-U", SUPERUSER, "--encoding=UTF8", locale]);
        if durable {
            initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(home.password_file());
        } else {
            initdb.args(["--auth=trust", "--no-sync"]);
        }
        initdb.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());

        remove_tree(&home.staging())?;
        let output = process::spawn(initdb).and_then(Child::wait_with_output);
        let output = output.context("cannot run initdb")?;
        if output.status.success() {
            return put_in_place(home).context("cannot put the data in place");
        }
        said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    bail!("initdb failed: {said}")
}

fn put_in_place(home: &Home) -> io::Result<()> {
    fs::rename(home.staging(), home.data())?;
    // A power cut must not undo this once something is committed.
    File::open(home.path())?.sync_all()
}

fn remove_tree(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {path:?}"))
        }
        _ => Ok(()),
    }
}

/// Beside the data, not in it: a copy of the data is no key to it.
fn write_password(home: &Home) -> anyhow::Result<()> {
    let path = home.password_file();
    let password: [u8; 32] = rand::random();
    let text: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
    let write = || -> io::Result<()> {
        let mut file = private_file().truncate(true).open(&path)?;
        writeln!(file, "{text}")?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {path:?}"))?;
    // initdb reads it as the server's user.
    home.give(&path)
}

fn read_password(home: &Home) -> anyhow::Result<String> {
    let path = home.password_file();
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read the superuser's password, {}", path.display()))?;
    Ok(text.trim().to_owned())
}
