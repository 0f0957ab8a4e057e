//! Clearing away what a killed run left, so that the next one can start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::io::Errno;
use rustix::process::{Pid, kill_process};

use crate::home::Home;
use crate::process::{INSISTENCE, wait_until};

/// Ends a server that still runs on this home's data, and removes lock files that would keep a
/// new one from starting. We hold the home's lock: its owner is dead.
///
/// # Errors
/// When the orphan cannot be ended, or a file not be removed.
pub(crate) fn clear(home: &Home) -> anyhow::Result<()> {
    let data = home.data();
    let pid_file = data.join("postmaster.pid");
    if let Some(pid) = written_pid(&pid_file) {
        match look_at(pid, &data) {
            Found::Nothing => {} // Postgres itself sees that the file is stale
            Found::Other => {
                // A zombie, or a stranger that has got the number since. Postgres would take it
                // for a living server and refuse.
                fs::remove_file(&pid_file).with_context(|| format!("cannot remove {pid_file:?}"))?;
            }
            Found::Server => end(pid, &data)?,
        }
    }
    home.renew_socket_dir()
}

fn end(pid: Pid, data: &Path) -> anyhow::Result<()> {
    tracing::info!("Ending an earlier Postgres, process {pid}");
    for (signal, patience) in INSISTENCE {
        match kill_process(pid, signal) {
            Err(Errno::SRCH) => return Ok(()),
            sent => sent.with_context(|| format!("cannot end process {pid}"))?,
        }
        if wait_until(patience, || Ok(look_at(pid, data) != Found::Server))? {
            return Ok(());
        }
    }
    bail!("an earlier Postgres, process {pid}, does not end")
}

/// Line 1 of `postmaster.pid`; none when there is no such file, or no number in it.
fn written_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// No process of that number.
    Nothing,
    /// A Postgres server on this data.
    Server,
    /// Something else: a stranger, or a process that ended and was not waited for.
    Other,
}

fn look_at(pid: Pid, data: &Path) -> Found {
    match command_line(pid) {
        Err(_) => Found::Nothing,
        Ok(arguments) if arguments.iter().any(|argument| argument == data) => Found::Server,
        Ok(_) => Found::Other,
    }
}

/// The arguments of a process, without the program; empty for a zombie.
#[cfg(target_os = "linux")]
fn command_line(pid: Pid) -> io::Result<Vec<PathBuf>> {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let text = fs::read(format!("/proc/{pid}/cmdline"))?;
    let arguments = text.split(|&byte| byte == 0).skip(1);
    Ok(arguments.map(|argument| OsString::from_vec(argument.to_vec()).into()).collect())
}

/// The arguments of a process, split at blanks, which loses a path with blanks in it: such a
/// server is then not seen as ours. Empty for a zombie.
#[cfg(not(target_os = "linux"))]
fn command_line(pid: Pid) -> io::Result<Vec<PathBuf>> {
    let output = std::process::Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output()?;
    if !output.status.success() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().skip(1).map(PathBuf::from).collect())
}
