//! Data directories that the server cannot use as they are.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bodega_embedded_postgres::testing::TempDir;
use bodega_embedded_postgres::{Cluster, Options};
use sqlx::postgres::PgConnectOptions;

use crate::lifecycle::{count, run};

#[tokio::test]
async fn uses_another_socket_directory_when_the_path_is_too_long() {
    let dir = TempDir::new("deep").unwrap();
    let deep = dir.path().join("a-long-name".repeat(12));
    fs::create_dir(&deep).unwrap();
    fs::set_permissions(&deep, Permissions::from_mode(0o711)).unwrap();
    let cluster = Cluster::start(Options::throwaway(deep)).await.unwrap();
    let url = cluster.superuser_url("postgres");
    assert_eq!(count(&url, "select 1::bigint").await, 1);

    let options: PgConnectOptions = url.parse().unwrap();
    let socket_dir = options.get_socket().unwrap();
    assert!(!socket_dir.starts_with(dir.path()));
    assert_eq!(fs::metadata(socket_dir).unwrap().mode() & 0o777, 0o700);
    cluster.stop().await.unwrap();
    assert!(!socket_dir.exists(), "{} still exists", socket_dir.display());
}

/// For example a checkout below `/root`. Only root can have such a directory.
#[tokio::test]
async fn links_to_a_system_directory_when_the_servers_user_cannot_enter() {
    let dir = TempDir::new("closed").unwrap();
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        return;
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let data_dir = dir.path().join(".bodega");

    let cluster = Cluster::start(Options::durable(&data_dir)).await.unwrap();
    run(&cluster.superuser_url("postgres"), "create table items as select 7::bigint as n").await;
    cluster.stop().await.unwrap();
    let target = fs::read_link(data_dir.join("postgres")).unwrap();
    assert!(target.starts_with("/var/lib/bodega"), "{}", target.display());

    let cluster = Cluster::start(Options::durable(&data_dir)).await.unwrap();
    assert_eq!(count(&cluster.superuser_url("postgres"), "select n from items").await, 7);
    cluster.stop().await.unwrap();

    // Without the link a new cluster is created, and the old data is kept.
    fs::remove_file(data_dir.join("postgres")).unwrap();
    let cluster = Cluster::start(Options::durable(&data_dir)).await.unwrap();
    let other_target = fs::read_link(data_dir.join("postgres")).unwrap();
    assert_ne!(other_target, target);
    assert!(target.join("data/PG_VERSION").exists());
    cluster.stop().await.unwrap();
    for directory in [target, other_target] {
        fs::remove_dir_all(directory).unwrap();
    }
}
