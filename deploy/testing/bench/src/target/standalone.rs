//! `bodega`: the store in one process, with its own Postgres.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use super::{
    Build, DataDir, MAX_CREATED, Started, Target,
    api::{ADMIN_EMAIL, Api, PASSWORD, Style},
    process::{self, Process, command, free_address},
};
use crate::{statements, usage};

/// The file to which `bodega` writes the URL of its database.
const DATABASE_URL_FILE: &str = "running.url";

/// A lifetime of access tokens that is longer than a run: 12 hours.
pub(super) const ACCESS_TTL: &str = "43200";

/// A running `bodega`.
pub(crate) struct Standalone {
    pub(crate) api: Api,
    process: Process,
}

impl Standalone {
    /// Starts it in a data directory, and waits until it is ready.
    pub(crate) async fn start(build: &Build, data: &DataDir, demo: bool) -> anyhow::Result<Self> {
        let (address, metrics) = (free_address()?, free_address()?);
        let mut command = bodega(build, data);
        command.env("BODEGA_HTTP", &address).env("BODEGA_ADMIN_HTTP", metrics);
        command
            .env("BODEGA_RATE_LIMITS", "off")
            .env("BODEGA_DEMO", demo.to_string())
            .env("BODEGA_ACCESS_TTL", ACCESS_TTL);
        command.env("BODEGA_ADMIN_EMAIL", ADMIN_EMAIL).env("BODEGA_ADMIN_PASSWORD", PASSWORD);
        command.env("BODEGA_MAX_PENDING_ORDERS", "off");
        let mut process = Process::spawn(command, data.path().join("bodega.log"))?;
        process.wait_until_ready(&format!("http://{address}/readyz")).await?;
        Ok(Self { api: Api::new(address, Style::Bodega)?, process })
    }

    /// Returns the resident memory of the process, without Postgres, in bytes.
    pub(crate) fn resident_memory(&self) -> Option<u64> {
        usage::resident_memory(&[self.process.id()])
    }
}

/// Starts a store and returns how long it took until it was ready.
pub(crate) async fn timed_start(
    build: &Build,
    data: &DataDir,
    demo: bool,
) -> anyhow::Result<(Standalone, Duration)> {
    let started = Instant::now();
    let store = Standalone::start(build, data, demo).await?;
    Ok((store, started.elapsed()))
}

impl Target {
    /// Starts a store in one process, with `products` products.
    ///
    /// # Errors
    /// It does not start (with the last lines of its log), or rejects the products.
    pub(crate) async fn standalone(build: &Build, products: usize) -> anyhow::Result<Self> {
        let start = async {
            let data = DataDir::new()?;
            let first = Standalone::start(build, &data, false).await?;
            statements::preload(&database_url(&data)?, data.path()).await?;
            drop(first);
            seed(build, &data, products).await?;
            let Standalone { api, process } = Standalone::start(build, &data, false).await?;
            let database_url = database_url(&data)?;
            statements::start_counting(&database_url).await?;
            let name = build.name.clone();
            let started = Started { name, api, database_url, servers: vec![process], database: None, data };
            Target::prepare(started, products).await
        };
        start.await.with_context(|| format!("cannot start {}", build.name))
    }
}

/// Generates products, if they are too many to create them over REST.
pub(super) async fn seed(build: &Build, data: &DataDir, products: usize) -> anyhow::Result<()> {
    if products > MAX_CREATED {
        let mut seed = bodega(build, data);
        seed.args(["seed", "--products", &products.to_string()]);
        process::run(seed).await?;
    }
    Ok(())
}

/// Returns the superuser's URL of the running store's database.
fn database_url(data: &DataDir) -> anyhow::Result<String> {
    fs::read_to_string(data.path().join(DATABASE_URL_FILE)).context(DATABASE_URL_FILE)
}

/// Prepares a `bodega` command.
fn bodega(build: &Build, data: &DataDir) -> Command {
    let mut command = command(&build.bodega);
    // Not the working directory of the caller, which may have a file `.env`.
    command.current_dir(data.path()).env("BODEGA_DATA_DIR", data.path());
    command.envs(build.variables.iter().map(|(name, value)| (name, value)));
    command
}
