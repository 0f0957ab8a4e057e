//! The database of a cluster of separate processes, and the proxy between it and the services.

use std::path::PathBuf;

use anyhow::Context as _;
use bodega_embedded_postgres::{Cluster, Options};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::postmaster::Postmaster;
use crate::proxy::{Proxy, Upstream};

const DATABASE: &str = "bodega";

pub(super) struct Postgres {
    options: Options,
    postmaster: Postmaster,
    proxy: Proxy,
    /// The superuser's, over the Unix socket.
    url: String,
    /// `None` while the server is down.
    cluster: Mutex<Option<Cluster>>,
}

impl Postgres {
    /// Starts a server with an empty database. Without `durable` commits survive the end of processes, but not a power
    /// failure.
    pub(super) async fn start(data_dir: PathBuf, durable: bool) -> anyhow::Result<Self> {
        let postmaster = Postmaster::of(&data_dir);
        let options = Options { data_dir, durable };
        let cluster = Cluster::start(options.clone()).await?;
        create_database(&cluster).await.context("cannot create the database")?;
        let url = cluster.superuser_url(DATABASE);
        let proxy = Proxy::start().await.context("cannot start a proxy for the database")?;
        proxy.set_upstream(Upstream::Unix(socket_path(&url)?));
        Ok(Self { options, postmaster, proxy, url, cluster: Mutex::new(Some(cluster)) })
    }

    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(super) fn postmaster(&self) -> &Postmaster {
        &self.postmaster
    }

    /// Returns the superuser's URL, not through the proxy.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the superuser's URL through the proxy.
    pub(super) fn proxied_url(&self) -> String {
        let credentials = self.url.split_once('@').map_or("", |(credentials, _)| credentials);
        format!("{credentials}@{}/{DATABASE}?sslmode=disable", self.proxy.address())
    }

    /// Shuts the server down immediately. Does nothing if it is down.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        let Some(cluster) = self.cluster.lock().await.take() else { return Ok(()) };
        self.postmaster.kill().await?;
        // Releases the directory and reaps the process.
        spawn_blocking(|| drop(cluster)).await?;
        Ok(())
    }

    /// Starts the server and waits until it has recovered.
    ///
    /// # Errors
    /// It is running, or does not start.
    pub(super) async fn restart(&self) -> anyhow::Result<()> {
        let mut cluster = self.cluster.lock().await;
        anyhow::ensure!(cluster.is_none(), "Postgres is already running");
        *cluster = Some(Cluster::start(self.options.clone()).await?);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A paused server does not shut down. An error means that there is none.
        let _ = self.postmaster.resume();
    }
}

async fn create_database(cluster: &Cluster) -> sqlx::Result<()> {
    let mut db = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
    sqlx::query("create database bodega").execute(&mut db).await?;
    // Otherwise a server that is not durable would confirm a commit that is still in its own memory.
    sqlx::query("alter database bodega set synchronous_commit = on").execute(&mut db).await?;
    db.close().await
}

fn socket_path(url: &str) -> anyhow::Result<PathBuf> {
    let options: PgConnectOptions = url.parse()?;
    let directory = options.get_socket().context("the server has no Unix socket")?;
    Ok(directory.join(format!(".s.PGSQL.{}", options.get_port())))
}
