//! From `main` to a running service, and out again.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use anyhow::Context as _;
use sqlx::{PgPool, migrate::Migrator};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    auth::ServiceToken,
    config::{self, Args},
    database::{self, DatabaseArgs},
    metrics, telemetry,
};

/// The system's allocator keeps what a thread has freed for that thread: of hashed passwords hundreds of megabytes. And it
/// took a quarter of the gateway's time under load.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a process is given by [`main`], beside its service's own arguments.
pub struct Process {
    /// What it is called: `bodega-catalog`.
    pub name: &'static str,
    /// Where to serve.
    pub listener: TcpListener,
    /// The secret of the store's processes.
    pub service_token: ServiceToken,
    /// Fires at SIGTERM and Ctrl-C.
    pub shutdown: CancellationToken,
}

impl Process {
    /// The process's database, with `schema` as `migrator` wants it. Waits for one that is away.
    ///
    /// # Errors
    /// When no database is configured, it does not let us in, or its schema cannot be brought to that state; and at the
    /// shutdown.
    pub async fn database(
        &self,
        args: &DatabaseArgs,
        schema: &str,
        migrator: &Migrator,
    ) -> anyhow::Result<PgPool> {
        let options = args.required()?;
        let answer = self.shutdown.run_until_cancelled(database::wait_until_available(&options));
        answer.await.context("told to leave before the database was there")??;
        database::migrate(&options, schema, migrator).await?;
        Ok(database::pool(options, args.db_connections, self.name))
    }
}

/// Runs `serve` as the process `name`, which listens on 127.0.0.1:`port` unless it is told otherwise.
pub fn main<S, F>(name: &'static str, port: u16, serve: impl FnOnce(S, Process) -> F) -> ExitCode
where
    S: clap::Args,
    F: Future<Output = anyhow::Result<()>>,
{
    let args = match config::parse::<Args<S>>() {
        Ok(args) => args,
        Err(code) => return code,
    };
    block_on(async {
        let _telemetry = telemetry::init(name, &args.telemetry)?;
        let shutdown = shutdown_signal()?;
        if let Some(address) = args.admin_http {
            metrics::serve(address, shutdown.clone()).await?;
        }
        let address = args.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("BODEGA_LISTEN: cannot listen on {address}"))?;
        let process = Process { name, listener, service_token: args.service_token, shutdown };
        serve(args.service, process).await
    })
}

/// Runs a process to its end; what made it fail is its last line.
pub fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")
        .and_then(|runtime| runtime.block_on(work));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("error: {cause:#}");
            ExitCode::FAILURE
        }
    }
}

/// A token that fires at SIGTERM and Ctrl-C.
///
/// # Errors
/// When the process cannot listen to signals.
pub fn shutdown_signal() -> anyhow::Result<CancellationToken> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
    let fired = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("Shutting down");
        fired.cancel();
    });
    Ok(shutdown)
}
