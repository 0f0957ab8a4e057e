//! A Postgres server of its own, for servers that do not start one.

use anyhow::Context as _;
use bodega_embedded_postgres::{Cluster, Options};
use sqlx::{Connection as _, PgConnection};

use super::DataDir;
use crate::statements;

/// A running server, configured as the embedded one of `bodega`.
pub(crate) struct Database {
    /// Stops the server when dropped.
    cluster: Cluster,
    name: &'static str,
    /// The superuser's URL.
    pub(crate) url: String,
}

impl Database {
    /// Starts a server in an empty data directory, and creates the database `store`.
    pub(crate) async fn start(data: &DataDir) -> anyhow::Result<Self> {
        let cluster = Cluster::start(Options::durable(data.path())).await?;
        let mut db = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
        sqlx::query("create database store").execute(&mut db).await.context("cannot create a database")?;
        db.close().await?;
        cluster.stop().await?;
        Self::restart(data, "store").await
    }

    /// Starts the server of a data directory that has the database `name`.
    pub(crate) async fn restart(data: &DataDir, name: &'static str) -> anyhow::Result<Self> {
        let options = Options::durable(data.path());
        let cluster = Cluster::start(options.clone()).await?;
        let url = cluster.superuser_url(name);
        statements::preload(&url, data.path()).await?;
        cluster.stop().await?;

        let cluster = Cluster::start(options).await?;
        statements::start_counting(&url).await?;
        Ok(Self { cluster, name, url })
    }

    /// Returns the URL of a role.
    pub(crate) fn url_of(&self, role: &str, password: Option<&str>) -> String {
        self.cluster.url(role, password, self.name)
    }
}
