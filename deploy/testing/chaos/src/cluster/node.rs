//! A node of the cluster: a process, its successors, and the proxy in front of them.

use std::{
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal};
use tracing::warn;

use super::{
    probe::Probe,
    process::{Process, log_tail},
    programs::Programs,
};
use crate::proxy::{Proxy, Upstream};

/// Outside of the range from which the kernel assigns ports by itself, so that a free port stays free until the process
/// listens on it.
const PORTS: Range<u16> = 20_000..32_000;
const PORT_ATTEMPTS: u32 = 1_000;

pub(super) struct NodeConfig {
    pub(super) program: String,
    pub(super) variables: Vec<(String, OsString)>,
    /// The environment variable for the listen address.
    pub(super) address_variable: &'static str,
    pub(super) probe: Probe,
    /// Shared by all successors.
    pub(super) log: PathBuf,
    /// The address at which it serves its metrics, if it does.
    pub(super) metrics: Option<SocketAddr>,
}

pub(super) struct Node {
    programs: Programs,
    config: NodeConfig,
    proxy: Proxy,
    /// `None` while the process is meant to be down.
    process: Mutex<Option<Process>>,
}

impl Node {
    pub(super) fn new(programs: Programs, config: NodeConfig, proxy: Proxy) -> Self {
        Self { programs, config, proxy, process: Mutex::default() }
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(super) fn name(&self) -> &str {
        &self.config.program
    }

    pub(super) fn metrics(&self) -> Option<SocketAddr> {
        self.config.metrics
    }

    pub(super) fn probe(&self) -> Probe {
        self.config.probe
    }

    pub(super) fn log_tail(&self) -> String {
        log_tail(&self.config.log)
    }

    /// Starts the process without waiting until it is ready.
    ///
    /// # Errors
    /// It is running, or cannot be started.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let mut process = self.lock();
        ensure!(process.is_none(), "{} is already running", self.name());
        *process = Some(self.spawn_behind_proxy()?);
        Ok(())
    }

    /// Kills the process with SIGKILL. Does nothing if it is down.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        match self.take() {
            Some(process) => process.kill().await.with_context(|| self.name().to_owned()),
            None => Ok(()),
        }
    }

    /// Sends SIGTERM and waits for a successful exit.
    ///
    /// # Errors
    /// The process is down, fails, or does not exit in time.
    pub(super) async fn terminate(&self) -> anyhow::Result<()> {
        let process = self.take().with_context(|| format!("{} is down", self.name()))?;
        process.terminate().await.with_context(|| format!("{}: {}", self.name(), self.log_tail()))
    }

    pub(super) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    pub(super) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Returns `None` while the process is down.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.lock().as_ref().map(Process::pid)
    }

    /// Checks that the process has not exited by itself.
    ///
    /// # Errors
    /// The process has exited (with the last lines of its log).
    pub(super) fn check_running(&self) -> anyhow::Result<()> {
        self.lock().as_mut().map_or(Ok(()), |process| self.check_not_exited(process))
    }

    pub(super) fn restart_if_exited(&self) {
        let mut process = self.lock();
        let Some(Err(exited)) = process.as_mut().map(|process| self.check_not_exited(process)) else {
            return;
        };
        warn!("process exited by itself, restarting it: {exited:#}");
        match self.spawn_behind_proxy() {
            Ok(next) => *process = Some(next),
            Err(error) => warn!("cannot restart {}, retrying later: {error:#}", self.name()),
        }
    }

    fn check_not_exited(&self, process: &mut Process) -> anyhow::Result<()> {
        match process.exit_status()? {
            Some(status) => bail!("{} exited with {status}: {}", self.name(), self.log_tail()),
            None => Ok(()),
        }
    }

    /// Starts another process that receives no connections yet.
    pub(super) fn spawn(&self) -> anyhow::Result<(Process, SocketAddr)> {
        let address = free_address().context("cannot find a free port")?;
        let mut command = self.programs.command(self.name());
        command.envs(self.config.variables.iter().map(|(name, value)| (name, value)));
        command.env(self.config.address_variable, address.to_string());
        Ok((Process::spawn(command, &self.config.log)?, address))
    }

    /// Directs new connections to another process, and returns the old one, which keeps running.
    pub(super) fn replace(&self, next: Process, address: SocketAddr) -> Option<Process> {
        let mut process = self.lock();
        self.proxy.set_upstream(Upstream::Tcp(address));
        process.replace(next)
    }

    fn spawn_behind_proxy(&self) -> anyhow::Result<Process> {
        let (process, address) = self.spawn()?;
        self.proxy.set_upstream(Upstream::Tcp(address));
        Ok(process)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        match self.lock().as_ref() {
            Some(process) => Ok(process.signal(signal)?),
            None => bail!("{} is down", self.name()),
        }
    }

    fn take(&self) -> Option<Process> {
        self.lock().take()
    }

    /// Kills the process and blocks until it has exited.
    pub(super) fn stop(&self) {
        drop(self.take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn free_address() -> io::Result<SocketAddr> {
    let mut retries = 0..PORT_ATTEMPTS;
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(PORTS)));
        match TcpListener::bind(address) {
            Err(_) if retries.next().is_some() => {}
            bound => return bound.map(|_| address),
        }
    }
}
