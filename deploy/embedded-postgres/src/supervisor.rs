//! Restarts the server when it exits, until it is stopped.

use std::convert::Infallible;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::binaries::Binaries;
use crate::data_dir::DataDir;
use crate::recovery;
use crate::server::Server;

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The pause after each restart, successful or not; it doubles up to the maximum.
const MIN_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// A server that ran for this long resets the backoff.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Runs a server and restarts it when it exits.
pub(crate) struct Supervisor {
    /// `None` once stopped.
    running: Mutex<Option<Running>>,
    /// Prevents restarts, and aborts one in progress.
    stopping: AtomicBool,
}

struct Running {
    // Fields drop in this order: the server stops before the data directory is unlocked.
    server: Server,
    data_dir: DataDir,
    binaries: Binaries,
    durable: bool,
}

impl Supervisor {
    /// Starts the server on an initialized data directory.
    ///
    /// # Errors
    /// When the server does not start, with the last lines of its log.
    pub(crate) fn start(binaries: Binaries, data_dir: DataDir, durable: bool) -> anyhow::Result<Supervisor> {
        let stopping = AtomicBool::new(false);
        let server = Server::start(&binaries, &data_dir, durable, &stopping)?;
        Ok(Supervisor {
            running: Mutex::new(Some(Running { server, data_dir, binaries, durable })),
            stopping,
        })
    }

    /// Returns the process id of the server, or `None` if it was stopped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(|running| running.server.pid())
    }

    /// Restarts the server whenever it exits, for as long as this is polled.
    pub(crate) async fn keep_running(self: &Arc<Self>) -> Infallible {
        let mut backoff = MIN_BACKOFF;
        let mut started = Instant::now();
        loop {
            sleep(POLL_INTERVAL).await;
            let Some(status) = self.exit_status() else { continue };
            tracing::error!("the Postgres server exited unexpectedly ({status}), restarting it");
            if started.elapsed() > HEALTHY_AFTER {
                backoff = MIN_BACKOFF;
            }
            let exited = Instant::now();
            while let Err(error) = self.restart().await {
                tracing::warn!("cannot restart the Postgres server, retrying in {backoff:?}: {error:#}");
                sleep(backoff).await;
                backoff = MAX_BACKOFF.min(backoff * 2);
            }
            started = Instant::now();
            tracing::info!("the Postgres server was restarted after {:.1} s", exited.elapsed().as_secs_f64());
            // A server that starts only to exit again must not be restarted in a tight loop.
            sleep(backoff).await;
            backoff = MAX_BACKOFF.min(backoff * 2);
        }
    }

    /// Returns how the server exited; `None` while it runs or is being restarted.
    fn exit_status(&self) -> Option<ExitStatus> {
        self.running.try_lock().ok()?.as_mut()?.server.exit_status().ok()?
    }

    /// Restarts the server. Runs to completion even when its future is dropped; [`Supervisor::stop`] waits for it.
    async fn restart(self: &Arc<Self>) -> anyhow::Result<()> {
        let supervisor = Arc::clone(self);
        let restarted = spawn_blocking(move || match &mut *supervisor.lock() {
            Some(running) => running.restart(&supervisor.stopping),
            None => Ok(()),
        });
        restarted.await?
    }

    /// Stops the server and unlocks its data directory.
    ///
    /// # Errors
    /// When the server did not shut down in time and was killed.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.stopping.store(true, Ordering::Relaxed);
        let Some(mut running) = self.lock().take() else { return Ok(()) };
        running.server.stop().with_context(|| format!("see {}", running.data_dir.log().display()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn restart(&mut self, stopping: &AtomicBool) -> anyhow::Result<()> {
        if stopping.load(Ordering::Relaxed) || self.server.exit_status()?.is_none() {
            return Ok(());
        }
        recovery::clean_up(&self.data_dir)?;
        self.server = Server::start(&self.binaries, &self.data_dir, self.durable, stopping)?;
        Ok(())
    }
}
