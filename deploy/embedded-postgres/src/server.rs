//! The server process: started, waited for, shut down.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::binaries::Binaries;
use crate::home::{Home, private_file};
use crate::process::{self, INSISTENCE, wait_until};

const ALWAYS: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_line_prefix=%m [%p] ",
    "logging_collector=off",
    "log_destination=stderr",
];

const DURABLE: &[&str] = &[
    "shared_buffers=128MB",
    "max_connections=200",
    "max_wal_size=1GB",
    // A failed statement may hold a password, its details a customer's email address: the client
    // is told, the log is not.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
];

const THROW_AWAY: &[&str] = &[
    "shared_buffers=32MB",
    "max_connections=400", // many tests at once, each with a small pool
    "max_wal_size=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];

/// Replaying the log of a busy day may take a while.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How long the processes of a killed server may hold on to its shared memory.
const STRAGGLER_LIMIT: Duration = Duration::from_secs(15);

/// A log beyond this size, in bytes, is set aside at the start.
const LOG_LIMIT: u64 = 8 << 20;

/// A running Postgres server; shut down when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts the server and waits until it takes connections, or is `unwanted`.
    ///
    /// # Errors
    /// When it ends at once or is not ready in time: with the last lines of its log. When it is not
    /// wanted any more: it has ended then.
    pub(crate) fn start(
        binaries: &Binaries,
        home: &Home,
        durable: bool,
        unwanted: &AtomicBool,
    ) -> anyhow::Result<Server> {
        let began = Instant::now();
        loop {
            let (mut log, end) = open_log(home)?;
            let child =
                process::spawn(command(binaries, home, durable, &log)?).context("cannot run postgres")?;
            let mut server = Server { child };
            if server.becomes_ready(&home.data(), unwanted)? {
                return Ok(server);
            }
            if unwanted.load(Ordering::Relaxed) {
                bail!("Postgres is not wanted any more");
            }
            let said = last_lines(&mut log, end)?;
            if server.child.try_wait()?.is_none() {
                bail!("Postgres is not ready after {} s: {said}", START_LIMIT.as_secs());
            }
            let straggling = said.contains("pre-existing shared memory block");
            if !straggling || began.elapsed() > STRAGGLER_LIMIT {
                bail!("Postgres does not start: {said}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// False when the process ended or is `unwanted`, or when the time is over.
    fn becomes_ready(&mut self, data: &Path, unwanted: &AtomicBool) -> anyhow::Result<bool> {
        let mut ready = false;
        wait_until(START_LIMIT, || {
            ready = says_ready(data, self.child.id())?;
            Ok(ready || unwanted.load(Ordering::Relaxed) || self.child.try_wait()?.is_some())
        })?;
        Ok(ready)
    }

    /// Shuts down: transactions are rolled back, clients are cut off, data is flushed.
    ///
    /// # Errors
    /// When that took too long, and the server was made to end.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        for (signal, patience) in INSISTENCE {
            if self.child.try_wait()?.is_none() {
                kill_process(Pid::from_child(&self.child), signal)?;
            }
            if wait_until(patience, || Ok(self.child.try_wait()?.is_some()))? {
                if signal == Signal::INT {
                    return Ok(());
                }
                bail!("Postgres did not shut down in time and was killed");
            }
        }
        bail!("Postgres cannot be killed")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!("{error:#}");
        }
    }
}

fn command(binaries: &Binaries, home: &Home, durable: bool, log: &File) -> anyhow::Result<Command> {
    let mut command = binaries.postgres(home.user());
    command.arg("-D").arg(home.data());
    let mut sockets = std::ffi::OsString::from("unix_socket_directories=");
    sockets.push(home.socket_dir());
    command.arg("-c").arg(sockets).arg("-c").arg(format!("port={}", crate::url::PORT));
    for setting in ALWAYS.iter().chain(if durable { DURABLE } else { THROW_AWAY }) {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    Ok(command)
}

/// Reads `postmaster.pid`: line 1 is the process, line 8 its state.
fn says_ready(data: &Path, pid: u32) -> io::Result<bool> {
    match fs::read_to_string(data.join("postmaster.pid")) {
        Ok(text) => {
            let mut lines = text.lines().map(str::trim);
            Ok(lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The log, and where it ends now.
fn open_log(home: &Home) -> anyhow::Result<(File, u64)> {
    let path = home.log();
    if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT) {
        fs::rename(&path, path.with_extension("log.1"))?;
    }
    let log = private_file().read(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot open {}", path.display()))?;
    home.give(&path)?;
    let end = log.metadata()?.len();
    Ok((log, end))
}

/// The last few lines written after `from`.
fn last_lines(log: &mut File, from: u64) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    log.seek(SeekFrom::Start(from))?;
    log.take(LOG_LIMIT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(10)..].join("\n"))
}
