//! Start and shutdown of a process that runs one service.

use std::{
    convert::Infallible,
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use http::Uri;
use rustix::fs::Mode;
use sqlx::migrate::Migrator;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    auth::ServiceToken,
    config::{self, Args},
    database::{self, DatabaseArgs, Pool},
    health::Health,
    metrics, telemetry,
    tls::Tls,
    transport::Transport,
};

/// Replaces the system's allocator, which reserves the memory that a thread has freed for that thread: hundreds of megabytes
/// after password hashing. It also took a quarter of the gateway's CPU time under load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Time that a thread for blocking work waits for more: the allocator returns freed memory to the system when a thread ends, and
/// each of the threads that hash passwords has used 19 MiB.
const BLOCKING_THREAD_KEEP_ALIVE: Duration = Duration::from_millis(500);
/// Interval at which freed memory is returned to the system: so long that a busy process is not slowed down.
const MEMORY_RETURN_INTERVAL: Duration = Duration::from_secs(1);

/// The resources that [`main`] passes to a service, in addition to its arguments.
pub struct Process {
    /// Name, such as `bodega-catalog`.
    pub name: &'static str,
    /// The bound listener to serve on.
    pub listener: TcpListener,
    /// The secret that all processes share.
    pub service_token: ServiceToken,
    /// The certificates of this process, if there is TLS between processes.
    pub tls: Option<Tls>,
    /// Readiness, and the drain before the shutdown.
    pub health: Health,
    /// Fires at SIGTERM and Ctrl-C, after the drain delay.
    pub shutdown: CancellationToken,
}

impl Process {
    /// Connects to the database and migrates `schema`. Waits for a database that is unavailable, and for the migrations if
    /// the role may not change the schema.
    ///
    /// # Errors
    /// When no database is configured, it rejects the connection, the migration fails, or the process is shut down.
    pub async fn database(
        &self,
        args: &DatabaseArgs,
        schema: &str,
        migrator: &Migrator,
    ) -> anyhow::Result<Pool> {
        let options = args.required()?;
        let prepared = async {
            database::wait_until_available(&options).await?;
            if args.db_pooler {
                // The lock of migrations belongs to a session, so they need a direct connection.
                database::wait_until_migrated(&options, schema, migrator).await?;
                return database::check_role(&options).await;
            }
            database::prepare(&options, schema, migrator).await
        };
        let prepared = self.shutdown.run_until_cancelled(prepared).await;
        prepared.context("shut down before the database was available and migrated")??;
        let pool = if args.db_pooler { database::pool_behind_pooler } else { database::pool };
        Ok(pool(options, args.db_connections, self.name))
    }

    /// Returns a transport to the service `name` at the URL `BODEGA_<name>_URL`.
    ///
    /// # Errors
    /// When the URL is `https`, and no certificates are configured.
    pub fn transport(&self, name: &'static str, url: Uri) -> anyhow::Result<Transport> {
        Transport::remote_tls(name, url, &self.service_token, self.tls.as_ref())
            .with_context(|| format!("BODEGA_{}_URL", name.to_uppercase()))
    }
}

/// Runs `serve` as the process `name`, with the arguments of its command line, of which the first is the name of the program. It
/// listens on 127.0.0.1:`port` unless `BODEGA_LISTEN` is set.
pub fn main<S, F>(
    name: &'static str,
    port: u16,
    arguments: impl IntoIterator<Item = OsString>,
    serve: impl FnOnce(S, Process) -> F,
) -> ExitCode
where
    S: clap::Args,
    F: Future<Output = anyhow::Result<()>>,
{
    let args = match config::parse_from::<Args<S>>(arguments) {
        Ok(args) => args,
        Err(code) => return code,
    };
    block_on(async {
        let tls = args.tls.open()?;
        let _telemetry = telemetry::init(name, &args.telemetry)?;
        config::warn_about_unknown_variables();
        let health = Health::default();
        let shutdown = shutdown_signal(&health, args.shutdown.drain_delay)?;
        if let Some(address) = args.admin_http {
            metrics::serve(address, health.clone(), Router::new()).await?;
        }
        let address = args.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("BODEGA_LISTEN: cannot listen on {address}: choose another address"))?;
        let service_token = args.service_token.or(args.secondary_service_token);
        let process = Process { name, listener, service_token, tls, health, shutdown };
        serve(args.service, process).await
    })
}

/// Runs `work` to completion. Prints its error, if any, as one line. Other users cannot read the files that the process
/// creates.
pub fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(BLOCKING_THREAD_KEEP_ALIVE)
        .build()
        .context("cannot start the tokio runtime")
        .and_then(|runtime| {
            // Not in a task: the thread that starts the process frees most of the memory that the others do not need.
            runtime.block_on(async {
                tokio::select! {
                    outcome = work => outcome,
                    never = return_freed_memory() => match never {},
                }
            })
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns freed memory to the system at each interval, until it is dropped. Under load the allocator does so itself; but
/// it keeps what was freed last until there are further allocations, which an idle process does not make.
async fn return_freed_memory() -> Infallible {
    loop {
        tokio::time::sleep(MEMORY_RETURN_INTERVAL).await;
        collect();
    }
}

#[expect(unsafe_code, reason = "the function is not exported by a safe crate")]
fn collect() {
    // SAFETY: the function may be called from any thread at any time. It frees no memory that is in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Returns a token that fires at SIGTERM and Ctrl-C, `drain_delay` after the process was made not ready. There is no delay if it
/// has not started to serve, and at a second signal.
///
/// # Errors
/// When no signal handler can be installed.
pub fn shutdown_signal(health: &Health, drain_delay: Duration) -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;
    let (fired, health) = (shutdown.clone(), health.clone());
    tokio::spawn(async move {
        let mut next_signal = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next_signal().await;
        health.drain();
        if health.is_started() && !drain_delay.is_zero() {
            info!("no longer ready, shutting down in {drain_delay:?}");
            let _ = tokio::time::timeout(drain_delay, next_signal()).await;
        }
        info!("shutting down");
        fired.cancel();
    });
    Ok(shutdown)
}
