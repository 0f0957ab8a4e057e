//! A member of the fleet: a process, its successors, and the proxy that stays in front of them.

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
    process::{Process, last_lines, rss},
    programs::Programs,
};
use crate::proxy::{Proxy, Upstream};

/// Ports for processes. The system gives none of these to whoever connects or listens anywhere: one that was free when it
/// was chosen still is when the process listens.
const PORTS: Range<u16> = 20_000..32_000;
/// How many ports are tried.
const PORTS_TRIED: u32 = 1_000;

/// How a process is started.
pub(super) struct Recipe {
    /// Its program.
    pub(super) program: String,
    /// What it is told.
    pub(super) variables: Vec<(String, OsString)>,
    /// The variable that tells it where to listen.
    pub(super) address_variable: &'static str,
    /// How it is asked whether it can serve.
    pub(super) probe: Probe,
    /// What it says, and its successors.
    pub(super) log: PathBuf,
}

/// A process that may be down, and comes back behind the same proxy.
pub(super) struct Member {
    programs: Programs,
    recipe: Recipe,
    proxy: Proxy,
    /// `None` while it is meant to be down.
    process: Mutex<Option<Process>>,
}

impl Member {
    /// One that is down.
    pub(super) fn new(programs: Programs, recipe: Recipe, proxy: Proxy) -> Self {
        Self { programs, recipe, proxy, process: Mutex::default() }
    }

    /// What others reach it through.
    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Its program.
    pub(super) fn name(&self) -> &str {
        &self.recipe.program
    }

    /// How it is asked whether it can serve.
    pub(super) fn probe(&self) -> Probe {
        self.recipe.probe
    }

    /// What its log ends with.
    pub(super) fn last_lines(&self) -> String {
        last_lines(&self.recipe.log)
    }

    /// Starts it, at an address of its own. Whether it serves is another matter.
    ///
    /// # Errors
    /// When it runs already, or cannot be run.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let mut process = self.lock();
        ensure!(process.is_none(), "{} runs already", self.name());
        *process = Some(self.launch_in_place()?);
        Ok(())
    }

    /// Kills it. One that is down stays down.
    ///
    /// # Errors
    /// When the kernel does not end it.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        match self.take() {
            Some(process) => process.kill().await.with_context(|| self.name().to_owned()),
            None => Ok(()),
        }
    }

    /// Asks it to leave, and waits until it has left.
    ///
    /// # Errors
    /// When it is down, does not leave in time, or fails on its way out.
    pub(super) async fn terminate(&self) -> anyhow::Result<()> {
        let process = self.take().with_context(|| format!("{} is down", self.name()))?;
        process.terminate().await.with_context(|| format!("{}: {}", self.name(), self.last_lines()))
    }

    /// Stops it at its next instruction.
    ///
    /// # Errors
    /// When it is down.
    pub(super) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it is down.
    pub(super) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Its memory, in bytes.
    pub(super) fn rss(&self) -> Option<u64> {
        self.pid().and_then(rss)
    }

    /// The number of its process; `None` while it is down.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.lock().as_ref().map(Process::pid)
    }

    /// Fails when it has ended by itself.
    ///
    /// # Errors
    /// How it ended, with the last lines of its log.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.lock().as_mut().map_or(Ok(()), |process| self.check_one(process))
    }

    /// Starts it again where it has ended by itself, as whatever looks after processes in earnest does.
    pub(super) fn revive(&self) {
        let mut process = self.lock();
        let Some(Err(ended)) = process.as_mut().map(|process| self.check_one(process)) else { return };
        warn!("{ended:#}");
        match self.launch_in_place() {
            Ok(next) => *process = Some(next),
            Err(cause) => warn!("{} does not start: {cause:#}", self.name()),
        }
    }

    fn check_one(&self, process: &mut Process) -> anyhow::Result<()> {
        match process.ended()? {
            Some(status) => bail!("{} ended with {status}: {}", self.name(), self.last_lines()),
            None => Ok(()),
        }
    }

    /// Starts another process beside it, which nothing leads to.
    ///
    /// # Errors
    /// When there is no port, or the program cannot be run.
    pub(super) fn launch(&self) -> anyhow::Result<(Process, SocketAddr)> {
        let address = free_address().context("no port is free")?;
        let mut command = self.programs.command(self.name());
        command.envs(self.recipe.variables.iter().map(|(name, value)| (name, value)));
        command.env(self.recipe.address_variable, address.to_string());
        Ok((Process::start(command, &self.recipe.log)?, address))
    }

    /// Puts a process in its place: new connections go there. The one that was there, if any, goes on.
    pub(super) fn replace(&self, next: Process, address: SocketAddr) -> Option<Process> {
        let mut process = self.lock();
        self.proxy.lead_to(Upstream::Tcp(address));
        process.replace(next)
    }

    fn launch_in_place(&self) -> anyhow::Result<Process> {
        let (process, address) = self.launch()?;
        self.proxy.lead_to(Upstream::Tcp(address));
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

    /// Kills it, and waits for that.
    pub(super) fn end(&self) {
        drop(self.take());
    }

    /// Nothing is left half done under this lock.
    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address where nobody listens.
fn free_address() -> io::Result<SocketAddr> {
    let mut tries = 0..PORTS_TRIED;
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rand::random_range(PORTS)));
        match TcpListener::bind(address) {
            Err(_) if tries.next().is_some() => {}
            bound => return bound.map(|_| address),
        }
    }
}
