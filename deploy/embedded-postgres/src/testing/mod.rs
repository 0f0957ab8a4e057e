//! Databases for integration tests: one throwaway cluster per test process, one database per test, copied from a
//! template.
//!
//! The cluster has no passwords: [`TestDatabase::url_as`] accepts any role that exists. Cluster and directories are
//! removed when the process ends, even by SIGKILL.

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

/// A database for one test. It is removed with the cluster.
#[derive(Debug)]
pub struct TestDatabase {
    cluster: &'static Cluster,
    name: String,
}

impl TestDatabase {
    /// Returns the URL for the superuser.
    pub fn url(&self) -> String {
        self.url_as(SUPERUSER)
    }

    /// Returns the URL for `role`, without a password.
    pub fn url_as(&self, role: &str) -> String {
        self.cluster.url(role, None, &self.name)
    }
}

/// Creates a database as a copy of the template called `template`. The first call with that name in a process creates the
/// template: `prepare` receives the superuser's URL of an empty database. Calls of `prepare` do not overlap, since roles are
/// shared by the whole cluster.
///
/// # Panics
/// When Postgres cannot be started, and when `prepare` fails.
pub async fn database<F, Fut>(template: &str, prepare: F) -> TestDatabase
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    match copy_template(template, prepare).await {
        Ok(database) => database,
        Err(error) => panic!("cannot create a test database: {error:#}"),
    }
}

async fn copy_template<F, Fut>(template: &str, prepare: F) -> anyhow::Result<TestDatabase>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    static TEMPLATES: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    static COPIES: AtomicUsize = AtomicUsize::new(1);

    let cluster = shared_cluster().await?;
    let source = format!("template {template}");
    let mut created = TEMPLATES.lock().await;
    if !created.contains(template) {
        create_template(cluster, &source, prepare).await.with_context(|| source.clone())?;
        created.insert(template.to_owned());
    }
    drop(created);

    let name = format!("test {}", COPIES.fetch_add(1, Ordering::Relaxed));
    let sql = format!("create database {} template {}", quote(&name), quote(&source));
    execute(cluster, &sql).await?;
    Ok(TestDatabase { cluster, name })
}

async fn create_template<F, Fut>(cluster: &Cluster, name: &str, prepare: F) -> anyhow::Result<()>
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let database = quote(name);
    // A previous attempt may have failed in `prepare`.
    execute(cluster, &format!("drop database if exists {database} with (force)")).await?;
    execute(cluster, &format!("create database {database}")).await?;
    prepare(cluster.superuser_url(name)).await?;
    // A template cannot be copied while a connection is open, and pools close theirs late.
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

fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

struct Shared {
    cluster: Cluster,
    _directory: TempDir,
    _cleanup: Child,
}

async fn shared_cluster() -> anyhow::Result<&'static Cluster> {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    let shared = SHARED
        .get_or_try_init(|| async {
            temp_dir::remove_abandoned();
            let directory = TempDir::new("cluster").context("cannot create a temporary directory")?;
            let cluster = Cluster::start(Options::throwaway(directory.path())).await?;
            let cleanup =
                spawn_cleanup(&cluster, directory.path()).context("cannot start the cleanup process")?;
            anyhow::Ok(Shared { cluster, _directory: directory, _cleanup: cleanup })
        })
        .await?;
    Ok(&shared.cluster)
}

/// Starts a shell that removes the cluster when this process ends, since statics are never dropped. It waits for the end
/// of its standard input, which this process holds open.
fn spawn_cleanup(cluster: &Cluster, directory: &Path) -> io::Result<Child> {
    const SCRIPT: &str = r#"
        read -r _
        kill -INT "$1" 2>/dev/null
        attempts=100
        while [ -e "$4" ] && kill -0 "$1" 2>/dev/null && [ $attempts -gt 0 ]; do
            sleep 0.1
            attempts=$((attempts - 1))
        done
        rm -rf "$2" "$3""#;
    let server = cluster.pid().ok_or_else(|| io::Error::other("the server was stopped"))?;
    Command::new("sh")
        .args(["-c", SCRIPT, "bodega-test-cleanup", &server.to_string()])
        .args([directory, cluster.socket_dir(), &directory.join("postgres/data/postmaster.pid")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
}
