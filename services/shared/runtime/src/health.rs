//! Health of a process and of a service, for probes.
//!
//! Liveness depends on nothing but the process itself: an outage of the database must not restart every process. Readiness
//! ends when the process is asked to stop; it then serves for a while, until load balancers send it no more calls.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, PgConnection};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{database::Pool, timeouts};

/// Name of the liveness check in the gRPC health service; the empty name is readiness.
pub const LIVE: &str = "live";

/// The health of a process, which its admin listener serves.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

type Check = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

#[derive(Default)]
struct Inner {
    check: OnceLock<Check>,
    draining: CancellationToken,
}

impl Health {
    /// Sets what readiness depends on. Until then, the process is not ready. Later checks are ignored.
    pub fn set_check<F>(&self, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = bool> + Send + 'static,
    {
        let _ = self.0.check.set(Box::new(move || Box::pin(check())));
    }

    /// Returns whether the process can serve calls and is not draining.
    pub async fn is_ready(&self) -> bool {
        let Some(check) = self.0.check.get() else { return false };
        !self.is_draining() && check().await
    }

    /// Returns whether the process has started to serve.
    pub(crate) fn is_started(&self) -> bool {
        self.0.check.get().is_some()
    }

    /// Makes the process not ready from now on. It still serves.
    pub fn drain(&self) {
        self.0.draining.cancel();
    }

    /// Returns whether the process is about to stop.
    pub fn is_draining(&self) -> bool {
        self.0.draining.is_cancelled()
    }

    /// Waits until the process is about to stop.
    pub async fn draining(&self) {
        self.0.draining.cancelled().await;
    }
}

/// Watches the database of a service over a connection of its own: a pool that is full of slow calls is not a failure. Reports to
/// the gRPC health service.
pub(crate) struct DatabaseWatch {
    db: Pool,
    connection: Option<PgConnection>,
    is_ready: watch::Sender<bool>,
    reporter: HealthReporter,
}

impl DatabaseWatch {
    /// Checks the database for the first time.
    pub(crate) async fn start(db: Pool, reporter: HealthReporter) -> Self {
        reporter.set_service_status(LIVE, ServingStatus::Serving).await;
        let mut watch = Self { db, connection: None, is_ready: watch::Sender::new(false), reporter };
        watch.check().await;
        watch
    }

    /// Returns the result of the last check, and changes of it.
    pub(crate) fn is_ready(&self) -> watch::Receiver<bool> {
        self.is_ready.subscribe()
    }

    /// Checks the database until `draining`; from then on, the service is not ready.
    pub(crate) async fn run(mut self, draining: CancellationToken) {
        let checks = async {
            loop {
                sleep(timeouts::HEALTH_CHECK_INTERVAL).await;
                // The calls show it too.
                if !*self.is_ready.borrow() || !self.db.has_responded_within(timeouts::HEALTH_CHECK_AGE) {
                    self.check().await;
                }
            }
        };
        let _: Option<Infallible> = draining.run_until_cancelled(checks).await;
        self.reporter.set_service_status("", ServingStatus::NotServing).await;
    }

    async fn check(&mut self) {
        let is_ready = matches!(timeout(timeouts::HEALTH_CHECK, self.ping()).await, Ok(Ok(())));
        self.is_ready.send_replace(is_ready);
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status("", status).await;
    }

    /// Keeps the connection only if it works.
    async fn ping(&mut self) -> sqlx::Result<()> {
        if let Some(mut connection) = self.connection.take()
            && connection.ping().await.is_ok()
        {
            self.connection = Some(connection);
            return Ok(());
        }
        let mut connection = PgConnection::connect_with(self.db.connect_options()).await?;
        connection.ping().await?;
        self.connection = Some(connection);
        Ok(())
    }
}
