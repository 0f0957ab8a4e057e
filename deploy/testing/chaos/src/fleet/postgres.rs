//! The database of a fleet of processes: a cluster of its own, and the proxy that services reach it through.

use std::path::PathBuf;

use anyhow::Context as _;
use bodega_embedded_postgres::{Cluster, Options};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::Mutex, task::spawn_blocking};

use super::postmaster::Postmaster;
use crate::proxy::{Proxy, Upstream};

/// The store's database.
const NAME: &str = "bodega";

/// A cluster that may be down, and comes back with what was committed.
pub(super) struct Postgres {
    options: Options,
    postmaster: Postmaster,
    proxy: Proxy,
    /// The superuser's, over the socket.
    url: String,
    cluster: Mutex<Option<Cluster>>,
}

impl Postgres {
    /// Starts an empty database below a directory. Where it is not `durable` nothing is flushed to disk: a power cut would
    /// lose what was committed, and nothing that happens to processes does.
    ///
    /// # Errors
    /// When there is no Postgres, it does not start, or there is no port for the proxy.
    pub(super) async fn start(data_dir: PathBuf, durable: bool) -> anyhow::Result<Self> {
        let postmaster = Postmaster::of(&data_dir);
        let options = Options { data_dir, durable };
        let cluster = Cluster::start(options.clone()).await?;
        create_database(&cluster).await.context("cannot make the database")?;
        let url = cluster.superuser_url(NAME);
        let proxy = Proxy::start().await.context("no port for the database")?;
        proxy.lead_to(Upstream::Unix(socket(&url)?));
        Ok(Self { options, postmaster, proxy, url, cluster: Mutex::new(Some(cluster)) })
    }

    /// What services reach it through.
    pub(super) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Its processes.
    pub(super) fn postmaster(&self) -> &Postmaster {
        &self.postmaster
    }

    /// The superuser's way to it past the proxy.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The same through the proxy. It speaks no TLS, so that nobody need ask whether it does.
    pub(super) fn proxied_url(&self) -> String {
        let credentials = self.url.split_once('@').map_or("", |(credentials, _)| credentials);
        format!("{credentials}@{}/{NAME}?sslmode=disable", self.proxy.address())
    }

    /// An immediate shutdown. One that is down stays down.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        let Some(cluster) = self.cluster.lock().await.take() else { return Ok(()) };
        self.postmaster.kill().await?;
        // To let go of the directory, and wait for the process.
        spawn_blocking(|| drop(cluster)).await?;
        Ok(())
    }

    /// Starts it again, and waits until it has recovered and takes connections.
    ///
    /// # Errors
    /// When it runs already, or does not start.
    pub(super) async fn restart(&self) -> anyhow::Result<()> {
        let mut cluster = self.cluster.lock().await;
        anyhow::ensure!(cluster.is_none(), "Postgres runs already");
        *cluster = Some(Cluster::start(self.options.clone()).await?);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A server that is paused does not shut down. It fails where there is none.
        let _ = self.postmaster.resume();
    }
}

async fn create_database(cluster: &Cluster) -> sqlx::Result<()> {
    let mut server = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
    sqlx::query("create database bodega").execute(&mut server).await?;
    // A cluster that is not durable would answer before what was committed has left its memory.
    sqlx::query("alter database bodega set synchronous_commit = on").execute(&mut server).await?;
    server.close().await
}

/// Where a server listens.
fn socket(url: &str) -> anyhow::Result<PathBuf> {
    let options: PgConnectOptions = url.parse()?;
    let directory = options.get_socket().context("the cluster has no socket")?;
    Ok(directory.join(format!(".s.PGSQL.{}", options.get_port())))
}
