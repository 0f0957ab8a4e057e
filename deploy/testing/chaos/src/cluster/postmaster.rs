//! The processes of a Postgres server, found in `/proc` (Linux only), whichever process has started it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::process::send_signal;

const EXIT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a standalone store may take to restart its server.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A server, identified by its data directory.
#[derive(Clone, Debug)]
pub(super) struct Postmaster {
    data: PathBuf,
}

impl Postmaster {
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { data: data_dir.join("postgres/data") }
    }

    /// Returns the postmaster's id.
    ///
    /// # Errors
    /// The server is down.
    pub(super) fn pid(&self) -> anyhow::Result<Pid> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).context("Postgres is down")?;
        let number = text.lines().next().and_then(|line| line.trim().parse().ok());
        let pid = number.and_then(Pid::from_raw).context("postmaster.pid contains no process id")?;
        // Another process may have been given the same id.
        ensure!(self.is_postmaster(pid), "Postgres is down");
        Ok(pid)
    }

    fn is_postmaster(&self, pid: Pid) -> bool {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let data = self.data.as_os_str().as_encoded_bytes();
        arguments.split(|byte| *byte == 0).any(|argument| argument == data)
    }

    /// Stops all processes of the server with SIGSTOP.
    pub(super) fn pause(&self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        // A stopped postmaster starts no more children while they are listed.
        send_signal(pid, Signal::STOP)?;
        for child in children(pid)? {
            send_signal(child, Signal::STOP)?;
        }
        Ok(())
    }

    pub(super) fn resume(&self) -> anyhow::Result<()> {
        Ok(resume(self.pid()?)?)
    }

    /// Shuts the server down immediately: nothing is flushed, connections are cut. Waits for its exit. Does nothing if it is
    /// down.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        let Ok(pid) = self.pid() else { return Ok(()) };
        request_immediate_shutdown(pid)?;
        let has_exited = spawn_blocking(move || wait_for_exit(pid)).await?;
        ensure!(has_exited, "Postgres has not exited after {EXIT_TIMEOUT:?}");
        Ok(())
    }

    /// Waits until another process has started the server.
    pub(super) async fn wait_until_started(&self) -> anyhow::Result<()> {
        let started = async {
            while self.pid().is_err() {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(RESTART_TIMEOUT, started).await.context("Postgres has not been restarted")
    }

    /// Like [`Postmaster::kill`], but blocks the thread.
    pub(super) fn stop(&self) {
        if let Ok(pid) = self.pid() {
            // Fails only if the server has just exited.
            let _ = request_immediate_shutdown(pid);
            wait_for_exit(pid);
        }
    }
}

fn request_immediate_shutdown(pid: Pid) -> io::Result<()> {
    send_signal(pid, Signal::QUIT)?;
    // A paused server does not handle the signal.
    resume(pid)
}

fn resume(pid: Pid) -> io::Result<()> {
    children(pid)?.into_iter().chain([pid]).try_for_each(|process| send_signal(process, Signal::CONT))
}

/// Returns whether the process has exited in time.
fn wait_for_exit(pid: Pid) -> bool {
    let deadline = Instant::now() + EXIT_TIMEOUT;
    while Instant::now() < deadline {
        // A zombie has exited and waits for its parent.
        if stat(pid).is_none_or(|(state, _)| state == 'Z') {
            return true;
        }
        thread::sleep(POLL_INTERVAL);
    }
    false
}

fn children(parent: Pid) -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let is_child = |pid: &Pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent.as_raw_pid());
    Ok(pids.filter(is_child).collect())
}

/// Returns the state and the parent of a process; `None` if it does not exist.
fn stat(pid: Pid) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain any character; it ends with the last parenthesis.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
