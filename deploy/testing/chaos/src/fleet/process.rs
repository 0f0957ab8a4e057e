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

/// How often an end is looked for.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// How long a process may take to leave, once it was asked to: it lets open calls finish, for 10 s at most.
const LEAVE_LIMIT: Duration = Duration::from_secs(15);
/// How long the kernel may take to end a process.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Lines of a log that say why.
const LAST_LINES: usize = 10;

/// A running process; killed when dropped, and interrupted when our own process dies.
pub(super) struct Process {
    child: Child,
}

impl Process {
    /// Starts a command that writes to the end of a log.
    ///
    /// # Errors
    /// When there can be no log, or the program cannot be run.
    pub(super) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_owned();
        let child =
            bodega_embedded_postgres::spawn(command).with_context(|| format!("cannot run {program:?}"))?;
        Ok(Self { child })
    }

    /// Its number.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal; one that has ended does not mind.
    ///
    /// # Errors
    /// When that is not allowed.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        match kill_process(self.pid(), signal) {
            Err(Errno::SRCH) => Ok(()),
            sent => Ok(sent?),
        }
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// When it cannot be known.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    ///
    /// # Errors
    /// When the kernel does not end it.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.end(KILL_LIMIT).await?.context("a process cannot be killed")?;
        Ok(())
    }

    /// Asks it to leave, and waits until it has left.
    ///
    /// # Errors
    /// When it takes too long, and is killed; when it fails on its way out.
    pub(super) async fn terminate(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.end(LEAVE_LIMIT).await?;
        let status = status.with_context(|| format!("it has not left after {LEAVE_LIMIT:?}"))?;
        ensure!(status.success(), "it left with {status}");
        Ok(())
    }

    async fn end(&mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + within;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended and was waited for, and only there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of a process that is not swapped out, in bytes; `None` where the system does not tell.
pub(super) fn rss(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// What a log ends with.
pub(super) fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
