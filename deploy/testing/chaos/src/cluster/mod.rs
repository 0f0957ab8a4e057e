//! A whole store that can be broken: real processes over real sockets, each behind a proxy.
//!
//! [`topology`] configures the processes. A [`node`] is one of them, down or up, with its proxy, whose address is the
//! only one that the others know; [`rolling_restart`] replaces its process. [`postgres`] is the database, which the
//! services also reach through a proxy, or through [`pgbouncer`] and the proxy. [`control`] breaks and restores them. A process that exits by itself is started
//! again; a killed one is not, until it is [restarted](Cluster::restart).
//!
//! A dropped [`Cluster`] leaves no process and no file except the logs in a given directory. If this process is killed,
//! the others exit by themselves, and a later test that needs a database deletes the files.

mod control;
mod node;
mod options;
mod pgbouncer;
mod postgres;
mod postmaster;
mod probe;
mod process;
mod programs;
mod role;
mod rolling_restart;
#[cfg(test)]
mod tests;
mod topology;

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use bodega_stripe_double::{Options, StripeDouble};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    node::Node,
    pgbouncer::{PgBouncer, Roles},
    postgres::Postgres,
    postmaster::Postmaster,
    topology::Topology,
};
pub(crate) use self::{
    options::{Admin, ClusterOptions},
    pgbouncer::Connections,
    role::Role,
};
use crate::proxy::Proxy;

const START_TIMEOUT: Duration = Duration::from_secs(120);
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// How often processes that exited by themselves are started again.
const RESTART_INTERVAL: Duration = Duration::from_millis(250);
const WEBHOOK_PATH: &str = "/api/webhooks/stripe";
/// The file to which a standalone store writes the URL of its database.
const DATABASE_URL_FILE: &str = "running.url";

/// A running store and a Stripe double. All processes are killed on drop.
pub(crate) struct Cluster {
    url: String,
    http: reqwest::Client,
    admin: Admin,
    stripe: StripeDouble,
    /// In the order of [`Role::PROCESSES`], or the only one.
    nodes: Arc<[Node]>,
    database: Database,
    pgbouncer: Option<PgBouncer>,
    // Dropped after everything that writes into its directory.
    topology: Topology,
    _supervisor: DropGuard,
}

enum Database {
    /// Owned by the cluster.
    Separate(Box<Postgres>),
    /// Owned by the standalone process.
    Embedded { postmaster: Postmaster, url: String },
}

impl Cluster {
    /// Starts a store and waits until it is ready.
    ///
    /// # Errors
    /// A program is not built, or a process does not start (with the last lines of its log).
    pub(crate) async fn start(options: ClusterOptions) -> anyhow::Result<Self> {
        let ClusterOptions { standalone, durable, seed, .. } = options;
        let pooler = options.pgbouncer.clone();
        let topology = Topology::prepare(options)?;
        let stripe = StripeDouble::start(Options { seed, ..Options::default() })
            .await
            .context("cannot start the Stripe double")?;
        let admin = Admin { email: "admin@shop.example".to_owned(), password: topology::random_secret() };
        let mut pgbouncer = None;
        let (nodes, database) = if standalone {
            let proxy = Proxy::start().await.context("cannot start a proxy")?;
            let postmaster = Postmaster::of(topology.data_dir());
            let node = topology.standalone_node(proxy, &stripe, &admin);
            (vec![node], Database::Embedded { postmaster, url: String::new() })
        } else {
            let postgres = Postgres::start(topology.data_dir().to_owned(), durable).await?;
            topology.initialize(postgres.url(), &admin).await?;
            if let Some(program) = pooler {
                let roles = Roles::random();
                topology.create_roles(postgres.url(), &roles).await?;
                let (database, logs) = (postgres.proxy().address(), topology.logs());
                let data_dir = topology.data_dir().join("postgres/data");
                pgbouncer = Some(PgBouncer::start(&program, roles, database, &data_dir, logs).await?);
            }
            let nodes = separate_nodes(&topology, &postgres, pgbouncer.as_ref(), &stripe).await?;
            (nodes, Database::Separate(Box::new(postgres)))
        };
        let url = nodes.last().map(|gateway| gateway.proxy().url()).unwrap_or_default();
        stripe.deliver_to(&format!("{url}{WEBHOOK_PATH}"));
        let stop = CancellationToken::new();
        let mut cluster = Self {
            url,
            http: probe::client()?,
            admin,
            stripe,
            nodes: nodes.into(),
            database,
            pgbouncer,
            topology,
            _supervisor: stop.clone().drop_guard(),
        };
        cluster.start_nodes().await?;
        if let Database::Embedded { url, .. } = &mut cluster.database {
            let file = cluster.topology.data_dir().join(DATABASE_URL_FILE);
            *url = fs::read_to_string(file).context(DATABASE_URL_FILE)?;
        }
        tokio::spawn(stop.run_until_cancelled_owned(supervise(Arc::clone(&cluster.nodes))));
        Ok(cluster)
    }

    /// Returns the base URL for clients, such as `http://127.0.0.1:40123`. It never changes.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the superuser's URL of the database, not through the proxy. It contains the password.
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Database::Separate(postgres) => postgres.url().to_owned(),
            Database::Embedded { url, .. } => url.clone(),
        }
    }

    pub(crate) fn stripe(&self) -> &StripeDouble {
        &self.stripe
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Returns the name of each process that serves metrics, and the address at which it does.
    pub(crate) fn metrics_addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.nodes.iter().filter_map(|node| Some((node.name(), node.metrics()?)))
    }

    /// Waits until the gateway reports that the store is ready.
    ///
    /// # Errors
    /// It is not ready within `limit` (with the gateway's response).
    pub(crate) async fn wait_until_ready(&self, limit: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            match probe::check_services(&self.http, &self.url).await {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() >= limit => {
                    return Err(error.context(format!("the store is not ready after {limit:?}")));
                }
                Err(_) => sleep(PROBE_INTERVAL).await,
            }
        }
    }

    /// Returns the proxy in front of a process, or between the services and the database.
    pub(crate) fn proxy(&self, role: Role) -> &Proxy {
        match (self.node(role), &self.database) {
            (Some(node), _) => node.proxy(),
            (None, Database::Separate(postgres)) => postgres.proxy(),
            (None, Database::Embedded { .. }) => self.nodes[0].proxy(),
        }
    }

    /// Returns the largest numbers of connections to pgbouncer and to Postgres; `None` without pgbouncer.
    pub(crate) fn peak_connections(&self) -> Option<Connections> {
        self.pgbouncer.as_ref().map(PgBouncer::peak)
    }

    /// Runs `bodega verify`.
    ///
    /// # Errors
    /// It reports an inconsistency (with the report).
    pub(crate) async fn verify(&self) -> anyhow::Result<String> {
        self.topology.verify(&self.database_url()).await
    }

    /// Returns the resident memory of a process in bytes, for Postgres that of the postmaster; `None` if it is down.
    pub(crate) fn rss(&self, role: Role) -> Option<u64> {
        process::rss(self.process_id(role)?)
    }

    /// Returns the id of a process, for Postgres that of the postmaster; `None` if it is down.
    pub(crate) fn pid(&self, role: Role) -> Option<u32> {
        Some(self.process_id(role)?.as_raw_pid().unsigned_abs())
    }

    fn process_id(&self, role: Role) -> Option<rustix::process::Pid> {
        match self.node(role) {
            Some(node) => node.pid(),
            None => self.postmaster().pid().ok(),
        }
    }

    /// Returns `None` for Postgres.
    fn node(&self, role: Role) -> Option<&Node> {
        let index = Role::PROCESSES.iter().position(|process| *process == role)?;
        self.nodes.get(index).or(self.nodes.first())
    }

    fn postmaster(&self) -> &Postmaster {
        match &self.database {
            Database::Separate(postgres) => postgres.postmaster(),
            Database::Embedded { postmaster, .. } => postmaster,
        }
    }

    async fn start_nodes(&self) -> anyhow::Result<()> {
        self.nodes.iter().try_for_each(Node::start)?;
        let started = Instant::now();
        loop {
            self.nodes.iter().try_for_each(Node::check_running)?;
            match self.wait_until_ready(PROBE_INTERVAL).await {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() >= START_TIMEOUT => {
                    let logs = self.nodes.iter().map(|node| format!("{}: {}", node.name(), node.log_tail()));
                    bail!("{error:#}\n{}", logs.collect::<Vec<_>>().join("\n"));
                }
                Err(_) => {}
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The supervisor may keep the nodes alive for a while.
        self.nodes.iter().for_each(Node::stop);
        if let Database::Embedded { postmaster, .. } = &self.database {
            postmaster.stop();
        }
    }
}

/// Creates the five nodes in the order of [`Role::PROCESSES`], all down.
async fn separate_nodes(
    topology: &Topology,
    postgres: &Postgres,
    pgbouncer: Option<&PgBouncer>,
    stripe: &StripeDouble,
) -> anyhow::Result<Vec<Node>> {
    let mut proxies = Vec::new();
    for role in Role::PROCESSES {
        proxies.push(Proxy::start().await.with_context(|| format!("cannot start a proxy for {role}"))?);
    }
    let urls: Vec<_> = proxies.iter().map(Proxy::url).collect();
    let database = |role| match pgbouncer {
        Some(pgbouncer) => pgbouncer.variables(role),
        None => vec![("DATABASE_URL".to_owned(), postgres.proxied_url().into())],
    };
    let nodes = Role::PROCESSES.into_iter().zip(proxies);
    nodes.map(|(role, proxy)| topology.node(role, &urls, proxy, database(role), stripe)).collect()
}

/// Restarts processes that exit by themselves, such as services that start while the database does not respond.
async fn supervise(nodes: Arc<[Node]>) {
    loop {
        sleep(RESTART_INTERVAL).await;
        nodes.iter().for_each(Node::restart_if_exited);
    }
}
