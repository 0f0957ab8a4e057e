//! Processes that are measured.

use std::{
    env,
    ffi::OsStr,
    fs::{self, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

/// After SIGTERM a process finishes open requests, and `bodega` stops its Postgres.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(40);
const START_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(2);
const LOG_TAIL_LINES: usize = 10;

/// The inherited environment variables; no other one may change the behaviour of a program.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "RUST_BACKTRACE"];

/// A child process: stopped on drop, and interrupted if this process dies.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command that appends its output to a log.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let program = command.get_program().to_owned();
        let child =
            bodega_embedded_postgres::spawn(command).with_context(|| format!("cannot run {program:?}"))?;
        Ok(Self { child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `url` responds with 200.
    ///
    /// # Errors
    /// The process exits, or is not ready in time (with the last lines of its log).
    pub(crate) async fn wait_until_ready(&mut self, url: &str) -> anyhow::Result<()> {
        self.wait_until(url, |status, _| status.is_success()).await
    }

    /// Waits until a response has this status and body.
    ///
    /// # Errors
    /// The process exits, or there is no such response in time.
    pub(crate) async fn wait_until(
        &mut self,
        url: &str,
        is_ready: impl Fn(StatusCode, &str) -> bool,
    ) -> anyhow::Result<()> {
        // A new connection for each attempt, as an unused one may be of a process that has exited.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let started = Instant::now();
        loop {
            if let Ok(response) = http.get(url).send().await {
                let status = response.status();
                if is_ready(status, &response.text().await.unwrap_or_default()) {
                    return Ok(());
                }
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the process exited with {status}: {}", log_tail(&self.log));
            }
            if started.elapsed() > START_TIMEOUT {
                bail!("{url} is not ready after {START_TIMEOUT:?}: {}", log_tail(&self.log));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + TERMINATION_TIMEOUT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("a process did not exit after SIGTERM and was killed: {}", log_tail(&self.log));
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!("{error:#}");
        }
    }
}

/// Prepares a command without environment variables, except for the [`INHERITED`] ones.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command.envs(INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?))));
    command
}

/// Runs a command to completion and returns its standard output.
///
/// # Errors
/// It fails (with all of its output).
pub(crate) async fn run(command: Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let output = tokio::process::Command::from(command).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {program:?}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{program:?} failed with {}: {stdout}{stderr}", output.status);
    }
    Ok(stdout)
}

/// Returns the address of a free port of the loopback interface.
pub(crate) fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string())
}

fn log_tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
