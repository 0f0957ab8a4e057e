//! The server process: starts it, waits until it is ready, shuts it down.

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
use crate::data_dir::{DataDir, private_file};
use crate::process::{self, SHUTDOWN_SIGNALS, wait_until};

const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_line_prefix=%m [%p] ",
    "logging_collector=off",
    "log_destination=stderr",
];

const DURABLE_SETTINGS: &[&str] = &[
    "shared_buffers=128MB",
    "max_connections=200",
    "max_wal_size=1GB",
    // A failed statement may contain a password, and its details a customer's email address: the client receives them, the
    // log does not.
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
];

const THROWAWAY_SETTINGS: &[&str] = &[
    "shared_buffers=32MB",
    "max_connections=400", // many tests at once, each with a small pool
    "max_wal_size=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];

/// The timeout of a start. It is long because the server may have to replay a long write-ahead log.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the backends of a killed server may keep its shared memory.
const ORPHANED_BACKENDS_TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum size of the log in bytes. A larger log is renamed at the next start.
const MAX_LOG_SIZE: u64 = 8 << 20;

/// A running Postgres server; shut down when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts the server and waits until it accepts connections.
    ///
    /// # Errors
    /// When it exits or is not ready in time (with the last lines of its log), and when `stopping` becomes true.
    pub(crate) fn start(
        binaries: &Binaries,
        data_dir: &DataDir,
        durable: bool,
        stopping: &AtomicBool,
    ) -> anyhow::Result<Server> {
        let started = Instant::now();
        loop {
            let (mut log, end) = open_log(data_dir)?;
            let command = command(binaries, data_dir, durable, &log)?;
            let mut server = Server { child: process::spawn(command).context("cannot run postgres")? };
            if server.wait_until_ready(&data_dir.pgdata(), stopping)? {
                return Ok(server);
            }
            if stopping.load(Ordering::Relaxed) {
                bail!("stopped before Postgres was ready");
            }
            let output = last_lines(&mut log, end)?;
            if server.child.try_wait()?.is_none() {
                bail!("Postgres is not ready after {START_TIMEOUT:?}: {output}");
            }
            let backends_remain = output.contains("pre-existing shared memory block");
            if !backends_remain || started.elapsed() > ORPHANED_BACKENDS_TIMEOUT {
                bail!("Postgres does not start: {output}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Returns `false` when the process exited, on timeout, and when `stopping` becomes true.
    fn wait_until_ready(&mut self, pgdata: &Path, stopping: &AtomicBool) -> anyhow::Result<bool> {
        let mut ready = false;
        wait_until(START_TIMEOUT, || {
            ready = is_ready(pgdata, self.child.id())?;
            Ok(ready || stopping.load(Ordering::Relaxed) || self.child.try_wait()?.is_some())
        })?;
        Ok(ready)
    }

    /// Shuts the server down: rolls back transactions, disconnects clients, flushes data.
    ///
    /// # Errors
    /// When it did not shut down in time and was killed.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        for (signal, timeout) in SHUTDOWN_SIGNALS {
            if self.child.try_wait()?.is_none() {
                kill_process(Pid::from_child(&self.child), signal)?;
            }
            if wait_until(timeout, || Ok(self.child.try_wait()?.is_some()))? {
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
            tracing::warn!("the Postgres server was not shut down cleanly: {error:#}");
        }
    }
}

fn command(binaries: &Binaries, data_dir: &DataDir, durable: bool, log: &File) -> anyhow::Result<Command> {
    let mut command = binaries.command("postgres", data_dir.user);
    command.arg("-D").arg(data_dir.pgdata());
    let mut socket_dir = std::ffi::OsString::from("unix_socket_directories=");
    socket_dir.push(&data_dir.socket_dir);
    command.arg("-c").arg(socket_dir).arg("-c").arg(format!("port={}", crate::url::PORT));
    for setting in SETTINGS.iter().chain(if durable { DURABLE_SETTINGS } else { THROWAWAY_SETTINGS }) {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    Ok(command)
}

/// Reads `postmaster.pid`: line 1 is the process id, line 8 the state.
fn is_ready(pgdata: &Path, pid: u32) -> io::Result<bool> {
    match fs::read_to_string(pgdata.join("postmaster.pid")) {
        Ok(text) => {
            let mut lines = text.lines().map(str::trim);
            Ok(lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the log, open for appending, and its size.
fn open_log(data_dir: &DataDir) -> anyhow::Result<(File, u64)> {
    let path = data_dir.log();
    if fs::metadata(&path).is_ok_and(|log| log.len() > MAX_LOG_SIZE) {
        fs::rename(&path, path.with_extension("log.1"))?;
    }
    let log = private_file().read(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot open {}", path.display()))?;
    data_dir.chown(&path)?;
    let size = log.metadata()?.len();
    Ok((log, size))
}

/// Returns the last lines written after the position `from`.
fn last_lines(log: &mut File, from: u64) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    log.seek(SeekFrom::Start(from))?;
    log.take(MAX_LOG_SIZE).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(10)..].join("\n"))
}
