//! A Postgres server of its own, for servers that do not start one.

use anyhow::Context as _;
use bodega_embedded_postgres::{Cluster, Options};
use sqlx::{Connection as _, PgConnection};

use super::DataDir;
use crate::statements;

const NAME: &str = "store";

/// A running server with an empty database, configured as the embedded one of `bodega`.
pub(crate) struct Database {
    /// Stops the server when dropped.
    _cluster: Cluster,
    /// The superuser's URL.
    pub(crate) url: String,
}

impl Database {
    /// Starts a server in a data directory, and creates the database.
    pub(crate) async fn start(data: &DataDir) -> anyhow::Result<Self> {
        let options = Options::durable(data.path());
        let cluster = Cluster::start(options.clone()).await?;
        let url = cluster.superuser_url(NAME);
        let mut db = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
        sqlx::query("create database store").execute(&mut db).await.context("cannot create a database")?;
        db.close().await?;
        statements::preload(&url, data.path()).await?;
        cluster.stop().await?;

        let cluster = Cluster::start(options).await?;
        statements::start_counting(&url).await?;
        Ok(Self { _cluster: cluster, url })
    }
}
