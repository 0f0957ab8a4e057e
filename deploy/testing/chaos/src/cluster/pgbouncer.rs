//! pgbouncer in transaction mode, between the services and the proxy of the database. Each service has a role of its own.

use std::{
    ffi::OsString,
    fmt, fs,
    net::SocketAddr,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{interval, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    node::free_address,
    process::{Process, log_tail},
    role::Role,
    topology::random_secret,
};

/// Connections to Postgres of each of the four roles.
const SERVER_CONNECTIONS: usize = 1;
/// Maximum connections to pgbouncer of each service.
const CLIENT_CONNECTIONS: usize = 10;
const START_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// A running pgbouncer; killed on drop.
pub(super) struct PgBouncer {
    address: SocketAddr,
    roles: Roles,
    peak: Arc<Mutex<Connections>>,
    _sampler: DropGuard,
    _process: Process,
    _directory: TempDir,
}

/// Passwords of the services' roles, in the order of [`Role::SERVICES`].
pub(super) struct Roles([String; 4]);

/// The largest numbers of connections at any time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connections {
    pub(crate) clients: i64,
    pub(crate) servers: i64,
}

impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} connections to pgbouncer, {} to Postgres", self.clients, self.servers)
    }
}

impl Roles {
    pub(super) fn random() -> Self {
        Self(std::array::from_fn(|_| random_secret()))
    }

    /// Returns the variables with which `bodega migrate` creates the roles.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, &String)> {
        let names = Role::SERVICES.map(|service| format!("BODEGA_{}_DB_PASSWORD", upper(service)));
        names.into_iter().zip(&self.0)
    }

    fn of_services(&self) -> impl Iterator<Item = (Role, String, &String)> {
        Role::SERVICES
            .into_iter()
            .zip(&self.0)
            .map(|(service, password)| (service, role_name(service), password))
    }
}

impl PgBouncer {
    /// Starts `program` as the user who owns `data_dir`: it does not run as root. `database` is the address of the proxy.
    ///
    /// # Errors
    /// The program cannot be run, or does not listen (with the last lines of its log).
    pub(super) async fn start(
        program: &Path,
        roles: Roles,
        database: SocketAddr,
        data_dir: &Path,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let owner = fs::metadata(data_dir)?;
        let directory = TempDir::new().context("cannot create a directory for pgbouncer")?;
        let address = free_address().context("cannot find a free port")?;
        let users: String =
            roles.of_services().map(|(_, name, password)| format!("\"{name}\" \"{password}\"\n")).collect();
        let users_file = directory.path().join("users");
        let configuration = directory.path().join("pgbouncer.ini");
        fs::write(&users_file, users)?;
        fs::write(&configuration, configure(address, database, &users_file))?;
        for path in [directory.path(), &users_file, &configuration] {
            chown(path, Some(owner.uid()), Some(owner.gid()))?;
        }
        let log = logs.join("pgbouncer.log");
        let mut command = Command::new(program);
        command.arg(&configuration).current_dir("/").stdin(Stdio::null());
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.uid(owner.uid()).gid(owner.gid());
        let process = Process::spawn(command, &log)?;
        let listens = async {
            while TcpStream::connect(address).await.is_err() {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(START_TIMEOUT, listens)
            .await
            .with_context(|| format!("pgbouncer does not listen: {}", log_tail(&log)))?;
        let peak = Arc::new(Mutex::default());
        let stop = CancellationToken::new();
        let console = console(address, &roles);
        tokio::spawn(stop.clone().run_until_cancelled_owned(sample(console, Arc::clone(&peak))));
        Ok(Self {
            address,
            roles,
            peak,
            _sampler: stop.drop_guard(),
            _process: process,
            _directory: directory,
        })
    }

    /// Returns the variables with which a service uses the database.
    pub(super) fn variables(&self, service: Role) -> Vec<(String, OsString)> {
        let role = self.roles.of_services().find(|(role, ..)| *role == service);
        let url = role.map(|(_, name, password)| {
            format!("postgres://{name}:{password}@{}/bodega?sslmode=disable", self.address)
        });
        let variables = [
            ("DATABASE_URL", url.unwrap_or_default()),
            ("BODEGA_DB_POOLER", "true".to_owned()),
            ("BODEGA_DB_CONNECTIONS", CLIENT_CONNECTIONS.to_string()),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }

    pub(super) fn peak(&self) -> Connections {
        *self.peak.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn upper(service: Role) -> String {
    service.name().to_uppercase()
}

fn role_name(service: Role) -> String {
    format!("bodega_{service}")
}

/// Returns the configuration: that of deploy/kubernetes/components/pgbouncer, with fewer connections.
fn configure(address: SocketAddr, database: SocketAddr, users: &Path) -> String {
    format!(
        "[databases]
        bodega = host={host} port={port} dbname=bodega
        [pgbouncer]
        listen_addr = {}
        listen_port = {}
        unix_socket_dir =
        auth_type = scram-sha-256
        auth_file = {users}
        stats_users = {console}
        pool_mode = transaction
        default_pool_size = {SERVER_CONNECTIONS}
        max_client_conn = 200
        max_prepared_statements = 500
        query_wait_timeout = 3
        server_connect_timeout = 3
        server_login_retry = 1
        client_idle_timeout = 0
        log_connections = 0
        log_disconnections = 0
        ",
        address.ip(),
        address.port(),
        host = database.ip(),
        port = database.port(),
        users = users.display(),
        console = role_name(Role::Order),
    )
    .lines()
    .map(|line| format!("{}\n", line.trim_start()))
    .collect()
}

fn console(address: SocketAddr, roles: &Roles) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass().host(&address.ip().to_string()).port(address.port());
    let role = roles.of_services().find(|(service, ..)| *service == Role::Order);
    let options = match role {
        Some((_, name, password)) => options.username(&name).password(password),
        None => options,
    };
    options.database("pgbouncer").extra_float_digits(None)
}

/// Polls the numbers of connections until it is cancelled.
async fn sample(console: PgConnectOptions, peak: Arc<Mutex<Connections>>) {
    let mut ticks = interval(SAMPLE_INTERVAL);
    loop {
        ticks.tick().await;
        match count(&console).await {
            Ok(now) => {
                let mut peak = peak.lock().unwrap_or_else(PoisonError::into_inner);
                *peak = Connections {
                    clients: peak.clients.max(now.clients),
                    servers: peak.servers.max(now.servers),
                };
            }
            Err(error) => tracing::warn!("cannot count the connections of pgbouncer: {error}"),
        }
    }
}

async fn count(console: &PgConnectOptions) -> sqlx::Result<Connections> {
    let mut db = PgConnection::connect_with(console).await?;
    // pgbouncer's console has the simple query protocol only.
    let rows = sqlx::raw_sql("show lists").fetch_all(&mut db).await?;
    let mut connections = Connections::default();
    for row in rows {
        let items: String = row.try_get_unchecked("items")?;
        let items = items.parse().unwrap_or_default();
        match row.try_get_unchecked::<String, _>("list")?.as_str() {
            // Without the connection of this function.
            "used_clients" => connections.clients = items - 1,
            "used_servers" => connections.servers = items,
            _ => {}
        }
    }
    db.close().await?;
    Ok(connections)
}
