//! The servers that are measured: a store in one process, in five processes, and an Express server.

pub(crate) mod api;
mod database;
mod directory;
pub(crate) mod express;
mod process;
mod standalone;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

pub(crate) use self::{
    api::{Api, User},
    directory::DataDir,
    standalone::{Standalone, timed_start},
};
use self::{database::Database, process::Process};
use crate::{
    statements::Statements,
    usage::{self, CpuTime},
};

/// Stock of a product that never sells out.
const UNLIMITED: u32 = 100_000_000;

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    /// How it is called in the results.
    pub(crate) name: String,
    /// The program `bodega`; those of the services are beside it.
    pub(crate) bodega: PathBuf,
    /// Additional environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

/// A running server with its products and users.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) api: Api,
    admin_token: String,
    /// Products that never sell out.
    products: Vec<i64>,
    users: Vec<User>,
    database_url: String,
    servers: Vec<Process>,
    /// Unless the server has started it.
    _database: Option<Database>,
    // Removed after the processes have stopped.
    data: DataDir,
}

impl Target {
    /// Creates `products` products in a server that has just been started.
    async fn prepare(started: Started, products: usize) -> anyhow::Result<Self> {
        let Started { name, api, database_url, servers, database, data } = started;
        let admin_token = api.admin_token().await?;
        let products = api.create_products(&admin_token, &vec![UNLIMITED; products]).await?;
        Ok(Self {
            name,
            api,
            admin_token,
            products,
            users: Vec::new(),
            database_url,
            servers,
            _database: database,
            data,
        })
    }

    /// Whether it is not a store of this workspace.
    pub(crate) fn is_peer(&self) -> bool {
        !self.api.is_bodega()
    }

    /// Returns the ids of the products.
    pub(crate) fn products(&self) -> &[i64] {
        &self.products
    }

    /// Returns this many users with empty carts; registers those that are missing.
    pub(crate) async fn users(&mut self, count: usize) -> anyhow::Result<Vec<User>> {
        let missing = count.saturating_sub(self.users.len());
        let registered = self.api.register_all(self.users.len(), missing).await?;
        self.users.extend(registered);
        let users = self.users[..count].to_vec();
        self.api.clear_carts(&users).await?;
        Ok(users)
    }

    /// Creates a product with this stock.
    pub(crate) async fn create_product(&self, stock: u32) -> anyhow::Result<i64> {
        let created = self.api.create_products(&self.admin_token, &[stock]).await?;
        created.first().copied().context("no product")
    }

    /// Returns the number of units in stock.
    pub(crate) async fn stock(&self, product: i64) -> anyhow::Result<i64> {
        self.api.stock(&self.admin_token, product).await
    }

    /// Returns the CPU time used so far; `None` if the system does not report it.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Option<CpuTime>> {
        let ids: Vec<_> = self.servers.iter().map(Process::id).collect();
        Ok(usage::cpu_time(&ids, postmaster(self.data.path())?))
    }

    /// Returns the numbers of the database so far.
    pub(crate) async fn statements(&self) -> anyhow::Result<Statements> {
        Statements::read(&self.database_url).await.context("cannot read the statistics of Postgres")
    }
}

/// A server that has just been started.
struct Started {
    name: String,
    api: Api,
    database_url: String,
    servers: Vec<Process>,
    database: Option<Database>,
    data: DataDir,
}

/// Returns the process id of the Postgres server of a data directory.
fn postmaster(data_dir: &Path) -> anyhow::Result<u32> {
    let path = data_dir.join("postgres/data/postmaster.pid");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path:?}"))?;
    let line = text.lines().next().unwrap_or_default();
    line.trim().parse().with_context(|| format!("invalid process id in {path:?}"))
}
