//! A running process of the store.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tokio::time::{Instant, sleep};

const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// After SIGTERM a process finishes open requests, for at most 10 s.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the kernel may take to end a process.
const KILL_TIMEOUT: Duration = Duration::from_secs(30);
const LOG_TAIL_LINES: usize = 10;

/// A child process: killed on drop, and interrupted if this process dies.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command that appends its output to a log.
    pub(super) fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_owned();
        let child =
            bodega_embedded_postgres::spawn(command).with_context(|| format!("cannot run {program:?}"))?;
        Ok(Self { child })
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        send_signal(self.pid(), signal)
    }

    /// Returns `None` while the process is running.
    pub(super) fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills the process with SIGKILL and waits for its exit.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(KILL_TIMEOUT).await?.context("the process cannot be killed")?;
        Ok(())
    }

    /// Sends SIGTERM and waits for a successful exit.
    ///
    /// # Errors
    /// The process fails, or does not exit in time and is killed.
    pub(super) async fn terminate(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.wait(TERMINATION_TIMEOUT).await?;
        let status = status.with_context(|| format!("has not exited after {TERMINATION_TIMEOUT:?}"))?;
        ensure!(status.success(), "exited with {status}");
        Ok(())
    }

    async fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.exit_status()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal. Succeeds if the process has exited.
pub(super) fn send_signal(pid: Pid, signal: Signal) -> io::Result<()> {
    match kill_process(pid, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}

/// Returns the resident memory of a process in bytes.
pub(super) fn rss(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns the last lines of a log.
pub(super) fn log_tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
