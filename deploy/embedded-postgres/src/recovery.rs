//! Cleans up after a killed process, so that the server can start again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::io::Errno;
use rustix::process::{Pid, kill_process};

use crate::data_dir::DataDir;
use crate::process::{SHUTDOWN_SIGNALS, wait_until};

/// Stops an orphaned server that still runs on this data, and removes stale lock files. This process holds the lock of
/// the data directory, so the process that started such a server is dead.
///
/// # Errors
/// When the orphaned server does not stop, or a file cannot be removed.
pub(crate) fn clean_up(data_dir: &DataDir) -> anyhow::Result<()> {
    let pgdata = data_dir.pgdata();
    let pid_file = pgdata.join("postmaster.pid");
    if let Some(pid) = read_pid(&pid_file) {
        match process_state(pid, &pgdata) {
            ProcessState::Missing => {} // Postgres itself detects that the file is stale
            ProcessState::Other => {
                // Postgres would mistake the process for a running server and not start.
                fs::remove_file(&pid_file).with_context(|| format!("cannot remove {pid_file:?}"))?;
            }
            ProcessState::Server => stop_orphan(pid, &pgdata)?,
        }
    }
    data_dir.recreate_socket_dir()
}

fn stop_orphan(pid: Pid, pgdata: &Path) -> anyhow::Result<()> {
    tracing::info!("stopping the orphaned Postgres server, process {pid}");
    for (signal, timeout) in SHUTDOWN_SIGNALS {
        match kill_process(pid, signal) {
            Err(Errno::SRCH) => return Ok(()),
            sent => sent.with_context(|| format!("cannot signal process {pid}"))?,
        }
        if wait_until(timeout, || Ok(process_state(pid, pgdata) != ProcessState::Server))? {
            return Ok(());
        }
    }
    bail!("the orphaned Postgres server, process {pid}, does not stop")
}

/// Reads the process id, which is line 1 of `postmaster.pid`.
fn read_pid(pid_file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(pid_file).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

#[derive(Debug, PartialEq, Eq)]
enum ProcessState {
    Missing,
    /// A Postgres server on this data.
    Server,
    /// A zombie, or an unrelated process that was given the same id.
    Other,
}

fn process_state(pid: Pid, pgdata: &Path) -> ProcessState {
    match arguments_of(pid) {
        Err(_) => ProcessState::Missing,
        Ok(arguments) if arguments.iter().any(|argument| argument == pgdata) => ProcessState::Server,
        Ok(_) => ProcessState::Other,
    }
}

/// Returns the arguments of a process; none for a zombie.
#[cfg(target_os = "linux")]
fn arguments_of(pid: Pid) -> io::Result<Vec<PathBuf>> {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let text = fs::read(format!("/proc/{pid}/cmdline"))?;
    let arguments = text.split(|&byte| byte == 0).skip(1);
    Ok(arguments.map(|argument| OsString::from_vec(argument.to_vec()).into()).collect())
}

/// Returns the arguments of a process, split at spaces: a server whose path contains spaces is not recognized. None for a
/// zombie.
#[cfg(not(target_os = "linux"))]
fn arguments_of(pid: Pid) -> io::Result<Vec<PathBuf>> {
    let output = std::process::Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output()?;
    if !output.status.success() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().skip(1).map(PathBuf::from).collect())
}
