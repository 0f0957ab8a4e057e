//! Directories that a server cannot live in as they are.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bodega_embedded_postgres::testing::TempDir;
use bodega_embedded_postgres::{Cluster, Options};
use sqlx::postgres::PgConnectOptions;

use crate::lifecycle::{count, run};

#[tokio::test]
async fn a_directory_too_deep_for_a_socket_works() {
    let dir = TempDir::new("deep").unwrap();
    let deep = dir.path().join("a-long-name".repeat(12));
    fs::create_dir(&deep).unwrap();
    fs::set_permissions(&deep, Permissions::from_mode(0o711)).unwrap();
    let cluster = Cluster::start(Options::throw_away(deep)).await.unwrap();
    let url = cluster.superuser_url("postgres");
    assert_eq!(count(&url, "select 1::bigint").await, 1);

    let options: PgConnectOptions = url.parse().unwrap();
    let socket_dir = options.get_socket().unwrap();
    assert!(!socket_dir.starts_with(dir.path()));
    assert_eq!(fs::metadata(socket_dir).unwrap().mode() & 0o777, 0o700);
    cluster.stop().await.unwrap();
    assert!(!socket_dir.exists(), "{} is left", socket_dir.display());
}

/// As with a checkout below `/root`. An ordinary user always gets to its own directories.
#[tokio::test]
async fn roots_closed_directory_gets_a_link_to_an_open_one() {
    let dir = TempDir::new("closed").unwrap();
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        return;
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let data_dir = dir.path().join(".bodega");

    let cluster = Cluster::start(Options::durable(&data_dir)).await.unwrap();
    run(&cluster.superuser_url("postgres"), "create table kept as select 7::bigint as n").await;
    cluster.stop().await.unwrap();
    let elsewhere = fs::read_link(data_dir.join("postgres")).unwrap();
    assert!(elsewhere.starts_with("/var/lib/bodega"), "{}", elsewhere.display());

    let cluster = Cluster::start(Options::durable(&data_dir)).await.unwrap();
    assert_eq!(count(&cluster.superuser_url("postgres"), "select n from kept").await, 7);
    cluster.stop().await.unwrap();

    // Without the link it is another store: the old data neither comes back nor goes away.
    fs::remove_file(data_dir.join("postgres")).unwrap();
    let cluster = Cluster::start(Options::durable(&data_dir)).await.unwrap();
    let another = fs::read_link(data_dir.join("postgres")).unwrap();
    assert_ne!(another, elsewhere);
    assert!(elsewhere.join("data/PG_VERSION").exists());
    cluster.stop().await.unwrap();
    for made in [elsewhere, another] {
        fs::remove_dir_all(made).unwrap();
    }
}
