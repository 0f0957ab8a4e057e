//! Keeping the server running, until it is told to stop.

use std::convert::Infallible;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::binaries::Binaries;
use crate::home::Home;
use crate::recovery;
use crate::server::Server;

/// How often to look whether the server is still there: whoever needs it waits for that long more.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long to leave a server alone that was started again, whether it came up or not: first, and
/// at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A server that ran for so long is sound: when it ends, it is for a new reason.
const SOUND: Duration = Duration::from_secs(60);

/// A server that is kept running until it is stopped.
pub(crate) struct Keeper {
    kept: Mutex<Option<Kept>>,
    /// Whether it is to be stopped: nobody starts it again then, and one that is coming up ends.
    given_up: AtomicBool,
}

/// A server, and all it takes to start it again.
struct Kept {
    // Stops before `home` lets go of the directory: fields drop in this order.
    server: Server,
    home: Home,
    binaries: Binaries,
    durable: bool,
}

impl Keeper {
    /// Starts the server in a home that is ready for it.
    ///
    /// # Errors
    /// When it does not come up; with the last lines of its log.
    pub(crate) fn start(binaries: Binaries, home: Home, durable: bool) -> anyhow::Result<Keeper> {
        let given_up = AtomicBool::new(false);
        let server = Server::start(&binaries, &home, durable, &given_up)?;
        Ok(Keeper { kept: Mutex::new(Some(Kept { server, home, binaries, durable })), given_up })
    }

    /// The server's process; none when it was stopped.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.kept().as_ref().map(|kept| kept.server.pid())
    }

    /// Starts the server again whenever it has ended, for as long as this is polled.
    pub(crate) async fn keep_running(self: &Arc<Self>) -> Infallible {
        let (mut pause, longest) = PAUSES;
        let mut came_up = Instant::now();
        loop {
            sleep(INTERVAL).await;
            let Some(how) = self.ended() else { continue };
            tracing::error!("Postgres has ended by itself, {how}: starting it again");
            if came_up.elapsed() > SOUND {
                pause = PAUSES.0;
            }
            let ended = Instant::now();
            while let Err(cause) = self.revive().await {
                tracing::warn!("Postgres cannot be started again yet: {cause:#}");
                sleep(pause).await;
                pause = longest.min(pause * 2);
            }
            came_up = Instant::now();
            tracing::info!("Postgres runs again, after {:.1} s", ended.elapsed().as_secs_f64());
            // One that comes up only to end is not started as often as can be.
            sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    /// How the server ended, if it has. One that is being started has not.
    fn ended(&self) -> Option<ExitStatus> {
        self.kept.try_lock().ok()?.as_mut()?.server.ended().ok()?
    }

    /// Starts a server that has ended. Goes on to its end when nobody polls it any more; whoever
    /// stops the server waits for that.
    async fn revive(self: &Arc<Self>) -> anyhow::Result<()> {
        let keeper = Arc::clone(self);
        let revived = spawn_blocking(move || match &mut *keeper.kept() {
            Some(kept) => kept.revive(&keeper.given_up),
            None => Ok(()),
        });
        revived.await?
    }

    /// Shuts the server down for good, and lets go of its home.
    ///
    /// # Errors
    /// When that took too long, and the server was made to end.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.given_up.store(true, Ordering::Relaxed);
        let Some(mut kept) = self.kept().take() else { return Ok(()) };
        kept.server.stop().with_context(|| format!("see {}", kept.home.log().display()))
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn revive(&mut self, given_up: &AtomicBool) -> anyhow::Result<()> {
        if given_up.load(Ordering::Relaxed) || self.server.ended()?.is_none() {
            return Ok(());
        }
        recovery::clear(&self.home)?;
        self.server = Server::start(&self.binaries, &self.home, self.durable, given_up)?;
        Ok(())
    }
}
