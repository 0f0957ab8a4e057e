//! Directories, secrets and environment variables of a cluster's processes.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use bodega_embedded_postgres::testing::TempDir;
use bodega_stripe_double::{Options, StripeDouble};

use super::{
    node::{Node, NodeConfig, free_address},
    options::{Admin, ClusterOptions},
    pgbouncer::Roles,
    probe::Probe,
    programs::{self, BODEGA, Programs, program_of},
    role::Role,
};
use crate::proxy::Proxy;

pub(super) struct Topology {
    programs: Programs,
    /// All data of the cluster, deleted on drop.
    directory: TempDir,
    logs: PathBuf,
    service_token: String,
    jwt_secret_key: String,
    access_ttl: Option<Duration>,
    metrics: bool,
}

impl Topology {
    pub(super) fn prepare(options: ClusterOptions) -> anyhow::Result<Self> {
        let programs = Programs::find()?;
        let directory = TempDir::new("chaos").context("cannot create a temporary directory")?;
        let logs = options.log_dir.unwrap_or_else(|| directory.path().join("logs"));
        fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
        Ok(Self {
            programs,
            directory,
            logs,
            service_token: random_secret(),
            jwt_secret_key: random_secret(),
            access_ttl: options.access_ttl,
            metrics: options.metrics,
        })
    }

    pub(super) fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Creates the node of a standalone store.
    pub(super) fn standalone_node(&self, proxy: Proxy, stripe: &StripeDouble, admin: &Admin) -> Node {
        let mut variables = self.variables(stripe);
        variables.extend([
            ("BODEGA_DATA_DIR".to_owned(), self.data_dir().into()),
            ("BODEGA_DEMO".to_owned(), "false".into()),
            ("BODEGA_ADMIN_EMAIL".to_owned(), admin.email.clone().into()),
            ("BODEGA_ADMIN_PASSWORD".to_owned(), admin.password.clone().into()),
        ]);
        self.new_node(BODEGA.to_owned(), "BODEGA_HTTP", Probe::Http, variables, proxy, None)
    }

    /// Creates the node of a process. `urls` lead to the proxies of all, in the order of [`Role::PROCESSES`]; `database` are the
    /// variables of a service for its database.
    pub(super) fn node(
        &self,
        role: Role,
        urls: &[String],
        proxy: Proxy,
        database: Vec<(String, OsString)>,
        stripe: &StripeDouble,
    ) -> anyhow::Result<Node> {
        let mut variables = self.variables(stripe);
        variables.push(("BODEGA_SERVICE_TOKEN".to_owned(), self.service_token.clone().into()));
        for (service, url) in Role::SERVICES.iter().zip(urls) {
            variables.push((format!("BODEGA_{}_URL", service.name().to_uppercase()), url.into()));
        }
        let probe = if role == Role::Gateway { Probe::Http } else { Probe::Grpc };
        if role != Role::Gateway {
            variables.extend(database);
        }
        let metrics = self.metrics.then(free_address).transpose().context("cannot find a free port")?;
        if let Some(address) = metrics {
            variables.push(("BODEGA_ADMIN_HTTP".to_owned(), address.to_string().into()));
        }
        Ok(self.new_node(program_of(role), "BODEGA_LISTEN", probe, variables, proxy, metrics))
    }

    fn new_node(
        &self,
        program: String,
        address_variable: &'static str,
        probe: Probe,
        variables: Vec<(String, OsString)>,
        proxy: Proxy,
        metrics: Option<SocketAddr>,
    ) -> Node {
        let log = self.logs.join(format!("{program}.log"));
        let config = NodeConfig { program, variables, address_variable, probe, log, metrics };
        Node::new(self.programs.clone(), config, proxy)
    }

    /// Creates the schemas and an admin in an empty database.
    pub(super) async fn initialize(&self, database_url: &str, admin: &Admin) -> anyhow::Result<()> {
        let arguments = ["admin", "create", "--email", &admin.email, "--password", &admin.password];
        self.run_bodega(&arguments, database_url).await.context("`bodega admin create` failed")?;
        Ok(())
    }

    /// Creates the services' roles in a migrated database.
    pub(super) async fn create_roles(&self, database_url: &str, roles: &Roles) -> anyhow::Result<()> {
        let mut command = self.command(&["migrate"], database_url);
        command.envs(roles.variables());
        programs::run(command).await.context("`bodega migrate` failed")?;
        Ok(())
    }

    /// Runs `bodega verify` and returns its report.
    ///
    /// # Errors
    /// It reports an inconsistency (with the report).
    pub(super) async fn verify(&self, database_url: &str) -> anyhow::Result<String> {
        self.run_bodega(&["verify"], database_url).await.context("`bodega verify` failed")
    }

    async fn run_bodega(&self, arguments: &[&str], database_url: &str) -> anyhow::Result<String> {
        programs::run(self.command(arguments, database_url)).await
    }

    fn command(&self, arguments: &[&str], database_url: &str) -> Command {
        let mut command = self.programs.command(BODEGA);
        command.args(arguments).env("DATABASE_URL", database_url);
        command.env("BODEGA_DATA_DIR", self.data_dir()).env("JWT_SECRET_KEY", &self.jwt_secret_key);
        command
    }

    /// The environment of every process, which ignores the variables of others.
    fn variables(&self, stripe: &StripeDouble) -> Vec<(String, OsString)> {
        let Options { secret_key, publishable_key, webhook_secret, .. } = stripe.options();
        let mut variables: Vec<(&str, OsString)> = vec![
            ("JWT_SECRET_KEY", self.jwt_secret_key.clone().into()),
            // All clients of a run have one address.
            ("BODEGA_RATE_LIMITS", "off".into()),
            ("BODEGA_MEDIA_DIR", self.data_dir().join("media").into()),
            ("STRIPE_SECRET_KEY", secret_key.into()),
            ("STRIPE_PUBLISHABLE_KEY", publishable_key.into()),
            ("STRIPE_WEBHOOK_SECRET", webhook_secret.into()),
            ("BODEGA_STRIPE_URL", stripe.url().into()),
            // Clients abandon orders.
            ("BODEGA_MAX_PENDING_ORDERS", "off".into()),
        ];
        if let Some(access_ttl) = self.access_ttl {
            variables.push(("BODEGA_ACCESS_TTL", access_ttl.as_secs().to_string().into()));
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

pub(super) fn random_secret() -> String {
    format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>())
}
