//! Databases for integration tests: one throw-away cluster per test process, one database per
//! test, copied from a template.
//!
//! The cluster has no passwords: [`TestDatabase::url_as`] takes any role that exists. Nothing is
//! left when the process ends, or is killed.

pub mod statements;
mod temp_dir;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{Mutex, OnceCell};

use crate::{Cluster, Options, SUPERUSER};

pub use temp_dir::TempDir;

/// A database of one test's own. It goes with the cluster.
#[derive(Debug)]
pub struct TestDatabase {
    cluster: &'static Cluster,
    name: String,
}

impl TestDatabase {
    /// The URL for the superuser.
    pub fn url(&self) -> String {
        self.url_as(SUPERUSER)
    }

    /// The URL for `role`, which needs no password here.
    pub fn url_as(&self, role: &str) -> String {
        self.cluster.url(role, None, &self.name)
    }
}

/// A new database, copied from the template called `template`. The first call in the process
/// that names a template fills it: `prepare` gets the superuser's URL of an empty database. One
/// `prepare` runs at a time, since roles belong to the whole cluster.
///
/// # Panics
/// When there is no Postgres, or when `prepare` fails.
pub async fn database<F, Fut>(template: &str, prepare: F) -> TestDatabase
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    match copy(template, prepare).await {
        Ok(database) => database,
        Err(error) => panic!("no test database: {error:#}"),
    }
}

async fn copy<F, Fut>(template: &str, prepare: F) -> anyhow::Result<TestDatabase>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    static TEMPLATES: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    static COPIES: AtomicUsize = AtomicUsize::new(1);

    let cluster = shared().await?;
    let source = format!("template {template}");
    let mut filled = TEMPLATES.lock().await;
    if !filled.contains(template) {
        fill(cluster, &source, prepare).await.with_context(|| source.clone())?;
        filled.insert(template.to_owned());
    }
    drop(filled);

    let name = format!("test {}", COPIES.fetch_add(1, Ordering::Relaxed));
    let sql = format!("create database {} template {}", quoted(&name), quoted(&source));
    execute(cluster, &sql).await?;
    Ok(TestDatabase { cluster, name })
}

async fn fill<F, Fut>(cluster: &Cluster, name: &str, prepare: F) -> anyhow::Result<()>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let database = quoted(name);
    // Left by a test that failed, or was ended, while it prepared.
    execute(cluster, &format!("drop database if exists {database} with (force)")).await?;
    execute(cluster, &format!("create database {database}")).await?;
    prepare(cluster.superuser_url(name)).await?;
    // A template with a connection open cannot be copied, and pools close theirs late.
    execute(cluster, &format!("alter database {database} allow_connections false")).await?;
    let mut connection = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
    sqlx::query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1")
        .bind(name)
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

/// Runs one statement in the database `postgres`.
async fn execute(cluster: &Cluster, sql: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// What the process keeps until its end.
struct Shared {
    cluster: Cluster,
    _directory: TempDir,
    _janitor: Child,
}

async fn shared() -> anyhow::Result<&'static Cluster> {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    let shared = SHARED
        .get_or_try_init(|| async {
            temp_dir::sweep();
            let directory = TempDir::new("cluster").context("no temporary directory")?;
            let cluster = Cluster::start(Options::throw_away(directory.path())).await?;
            let janitor = hire_janitor(&cluster, directory.path()).context("no janitor")?;
            anyhow::Ok(Shared { cluster, _directory: directory, _janitor: janitor })
        })
        .await?;
    Ok(&shared.cluster)
}

/// Statics are never dropped. So a shell waits at a pipe that closes when our process ends,
/// however it ends; then it sees the server off and removes its directories.
fn hire_janitor(cluster: &Cluster, directory: &Path) -> io::Result<Child> {
    const SCRIPT: &str = r#"
        read -r _
        kill -INT "$1" 2>/dev/null
        patience=100
        while [ -e "$4" ] && kill -0 "$1" 2>/dev/null && [ $patience -gt 0 ]; do
            sleep 0.1
            patience=$((patience - 1))
        done
        rm -rf "$2" "$3""#;
    let server = cluster.pid().ok_or_else(|| io::Error::other("its server was stopped"))?;
    Command::new("sh")
        .args(["-c", SCRIPT, "janitor", &server.to_string()])
        .args([directory, cluster.socket_dir(), &directory.join("postgres/data/postmaster.pid")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
}
