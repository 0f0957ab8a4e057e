//! The processes of a Postgres server, whoever has started it. On Linux only: they are found in `/proc`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// How long a server may take to end.
const END_LIMIT: Duration = Duration::from_secs(15);
/// How long nobody may have started one that is down.
const START_LIMIT: Duration = Duration::from_secs(15);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A server, found by what it writes into its data.
#[derive(Clone, Debug)]
pub(super) struct Postmaster {
    data: PathBuf,
}

impl Postmaster {
    /// That of the cluster below a directory.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self { data: data_dir.join("postgres/data") }
    }

    /// Its number.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) fn pid(&self) -> anyhow::Result<Pid> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).context("Postgres is down")?;
        let number = text.lines().next().and_then(|line| line.trim().parse().ok());
        let pid = number.and_then(Pid::from_raw).context("postmaster.pid has no number")?;
        // Not a stranger that has got the number since.
        ensure!(self.is_run_by(pid), "Postgres is down");
        Ok(pid)
    }

    fn is_run_by(&self, pid: Pid) -> bool {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let data = self.data.as_os_str().as_encoded_bytes();
        arguments.split(|byte| *byte == 0).any(|argument| argument == data)
    }

    /// Stops all of its processes at their next instruction.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) fn pause(&self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        // It first: then there are no more of its children while they are counted.
        signal(pid, Signal::STOP)?;
        for child in children(pid)? {
            signal(child, Signal::STOP)?;
        }
        Ok(())
    }

    /// Lets all of its processes go on.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) fn resume(&self) -> anyhow::Result<()> {
        Ok(resume(self.pid()?)?)
    }

    /// An immediate shutdown: all processes end where they are, nothing is flushed, connections are cut. Waits for the end.
    /// Does nothing where it does not run.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        match self.pid() {
            Ok(pid) => shut_down(pid).await,
            Err(_) => Ok(()),
        }
    }

    /// Waits until somebody has started it again.
    ///
    /// # Errors
    /// When nobody does for a long time.
    pub(super) async fn is_started(&self) -> anyhow::Result<()> {
        let started = async {
            while self.pid().is_err() {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(START_LIMIT, started).await.context("nobody starts Postgres again")
    }

    /// Ends it as [`Postmaster::kill`] does, and blocks until it has ended.
    pub(super) fn end(&self) {
        if let Ok(pid) = self.pid() {
            // It fails only where it is gone just now.
            let _ = signal(pid, Signal::QUIT).and_then(|()| resume(pid));
            wait_for_end(pid);
        }
    }
}

async fn shut_down(pid: Pid) -> anyhow::Result<()> {
    signal(pid, Signal::QUIT)?;
    // One that is paused would not hear of it.
    resume(pid)?;
    ensure!(spawn_blocking(move || wait_for_end(pid)).await?, "Postgres has not ended after {END_LIMIT:?}");
    Ok(())
}

fn resume(pid: Pid) -> io::Result<()> {
    children(pid)?.into_iter().chain([pid]).try_for_each(|process| signal(process, Signal::CONT))
}

/// Whether it has ended in time.
fn wait_for_end(pid: Pid) -> bool {
    let deadline = Instant::now() + END_LIMIT;
    while Instant::now() < deadline {
        // A zombie waits for its parent, and has ended.
        if stat(pid).is_none_or(|(state, _)| state == 'Z') {
            return true;
        }
        thread::sleep(POLL_INTERVAL);
    }
    false
}

/// The processes that a process has started.
fn children(parent: Pid) -> io::Result<Vec<Pid>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids = numbers.filter_map(Pid::from_raw);
    Ok(pids
        .filter(|pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent.as_raw_pid()))
        .collect())
}

/// The state of a process, and its parent; `None` where there is none.
fn stat(pid: Pid) -> Option<(char, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name may have anything in it, and ends with the last parenthesis.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A process that has ended does not mind.
fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
    match kill_process(pid, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}
