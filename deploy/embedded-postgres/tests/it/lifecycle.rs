//! Start, stop and crash recovery.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bodega_embedded_postgres::testing::TempDir;
use bodega_embedded_postgres::{Cluster, Options, SUPERUSER};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub(crate) async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

pub(crate) async fn count(url: &str, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

pub(crate) fn postmaster(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn committed_data_survives_a_restart() {
    let dir = TempDir::new("restart").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    run(&cluster.superuser_url("postgres"), "create table items as select 7::bigint as n").await;
    cluster.stop().await.unwrap();

    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    assert_eq!(count(&cluster.superuser_url("postgres"), "select n from items").await, 7);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn committed_data_survives_sigkill() {
    let dir = TempDir::new("kill").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    run(&cluster.superuser_url("postgres"), "create table items as select 7::bigint as n").await;
    kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
    // The server stays a zombie child of this process, with its lock files, as in a container without an init.
    std::mem::forget(cluster);
    release_lock(dir.path());

    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    assert_eq!(count(&cluster.superuser_url("postgres"), "select n from items").await, 7);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn waits_for_the_busy_backends_of_a_killed_server() {
    let dir = TempDir::new("busy").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let url = cluster.superuser_url("postgres");
    // Checks only the clock, and so outlives the server.
    let busy = "do $$ declare over timestamptz := clock_timestamp() + '2 s';
                begin while clock_timestamp() < over loop end loop; end $$";
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let query = tokio::spawn(async move { sqlx::raw_sql(busy).execute(&mut connection).await });
    while count(&url, "select count(*) from pg_stat_activity where query like 'do %'").await == 0 {
        assert!(!query.is_finished(), "the statement has ended before it was seen");
    }
    kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
    std::mem::forget(cluster);
    release_lock(dir.path());

    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    assert_eq!(count(&cluster.superuser_url("postgres"), "select 1::bigint").await, 1);
    assert!(query.is_finished(), "two servers used the data at once");
    cluster.stop().await.unwrap();
}

/// Removes the lock file of a forgotten cluster, so that the next one creates and locks a new one.
fn release_lock(data_dir: &Path) {
    fs::remove_file(data_dir.join("postgres/owner.lock")).unwrap();
}

#[tokio::test]
async fn stops_an_orphaned_server_before_starting() {
    let dir = TempDir::new("orphan").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let orphan = postmaster(dir.path());
    std::mem::forget(cluster);
    release_lock(dir.path());

    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    assert_ne!(postmaster(dir.path()), orphan);
    assert_eq!(count(&cluster.superuser_url("postgres"), "select 1::bigint").await, 1);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn ignores_a_pid_file_that_names_another_process() {
    let dir = TempDir::new("other-process").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let pid_file = dir.path().join("postgres/data/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    cluster.stop().await.unwrap();

    let mut other_process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", other_process.id())).unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    assert!(other_process.try_wait().unwrap().is_none(), "the other process was killed");
    other_process.kill().unwrap();
    other_process.wait().unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn recovers_from_a_kill_during_initdb() {
    let dir = TempDir::new("half").unwrap();
    Cluster::start(Options::durable(dir.path())).await.unwrap().stop().await.unwrap();
    let directory = dir.path().join("postgres");
    fs::rename(directory.join("data"), directory.join("data.new")).unwrap();
    fs::remove_file(directory.join("data.new/global/pg_control")).unwrap();

    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    assert_eq!(count(&cluster.superuser_url("postgres"), "select 1::bigint").await, 1);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn rejects_a_second_owner() {
    let dir = TempDir::new("second").unwrap();
    let cluster = Cluster::start(Options::throwaway(dir.path())).await.unwrap();
    let error = Cluster::start(Options::throwaway(dir.path())).await.unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("another bodega is using "), "{error}");
    assert!(!error.contains('\n'), "{error}");
    // The first cluster still works.
    assert_eq!(count(&cluster.superuser_url("postgres"), "select 1::bigint").await, 1);
}

#[tokio::test]
async fn a_durable_cluster_requires_passwords() {
    let dir = TempDir::new("roles").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let password = "p@ss/w:rd?#%";
    run(&cluster.superuser_url("postgres"), &format!("create role visitor login password '{password}'"))
        .await;

    let valid = cluster.url("visitor", Some(password), "postgres");
    assert_eq!(count(&valid, "select 1::bigint").await, 1);
    for wrong in [Some("guess"), None] {
        let visitor = cluster.url("visitor", wrong, "postgres");
        assert!(PgConnection::connect(&visitor).await.is_err(), "visitor connected with {wrong:?}");
        let superuser = cluster.url(SUPERUSER, wrong, "postgres");
        assert!(PgConnection::connect(&superuser).await.is_err(), "superuser connected with {wrong:?}");
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn passwords_are_private_and_not_logged() {
    let dir = TempDir::new("secret").unwrap();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    let mut connection = PgConnection::connect(&cluster.superuser_url("postgres")).await.unwrap();
    let failing = "alter role missing_role password 'correct-horse'";
    sqlx::raw_sql(failing).execute(&mut connection).await.unwrap_err();

    let directory = dir.path().join("postgres");
    let superuser = fs::read_to_string(directory.join("superuser.password")).unwrap();
    let log = fs::read_to_string(directory.join("postgres.log")).unwrap();
    assert!(log.contains("missing_role"), "the failure is not in the log: {log}");
    assert!(!log.contains("correct-horse") && !log.contains(superuser.trim()));
    assert!(!format!("{cluster:?}").contains(superuser.trim()));
    for (file, mode) in [("superuser.password", 0o600), ("postgres.log", 0o600), ("run", 0o700)] {
        let found = fs::metadata(directory.join(file)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{file}");
    }
    assert_eq!(superuser.trim().len(), 64);
    connection.close().await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn uses_utf8_and_utc() {
    let dir = TempDir::new("locale").unwrap();
    let cluster = Cluster::start(Options::throwaway(dir.path())).await.unwrap();
    let mut connection = PgConnection::connect(&cluster.superuser_url("postgres")).await.unwrap();
    let (encoding, timezone): (String, String) = sqlx::query_as(
        "select current_setting('server_encoding'),
                (select reset_val from pg_settings where name = 'TimeZone')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((encoding.as_str(), timezone.as_str()), ("UTF8", "UTC"));
}

#[tokio::test]
async fn a_failed_start_reports_the_servers_log() {
    let dir = TempDir::new("broken").unwrap();
    Cluster::start(Options::throwaway(dir.path())).await.unwrap().stop().await.unwrap();
    fs::write(dir.path().join("postgres/data/postgresql.auto.conf"), "no_such_thing = 1\n").unwrap();
    let error = Cluster::start(Options::throwaway(dir.path())).await.unwrap_err().to_string();
    assert!(error.contains("no_such_thing"), "{error}");
}
