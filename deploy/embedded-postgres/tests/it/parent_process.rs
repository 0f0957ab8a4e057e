//! Tests that a cluster ends with the process that owns it, even if that is killed.
//!
//! The owner is a child process that runs this test binary with one of the tests `owner_…` and an environment variable.
//! Without the variable those tests do nothing.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bodega_embedded_postgres::testing::{self, TempDir};
use bodega_embedded_postgres::{Cluster, Options};
use rustix::process::test_kill_process;

use crate::lifecycle::postmaster;

const DIRECTORY: &str = "BODEGA_TEST_OWNER_DIRECTORY";

struct Owner {
    process: Child,
    /// Kept open, since the owner would fail to print without it.
    _output: BufReader<ChildStdout>,
}

impl Owner {
    /// Starts an owner and waits until it prints READY.
    fn start(test: &str, directory: &Path) -> Owner {
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--quiet"])
            .env(DIRECTORY, directory)
            .env("TMPDIR", directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let ready = output.by_ref().lines().map(Result::unwrap).any(|line| line.contains("READY"));
        let owner = Owner { process, _output: output };
        assert!(ready, "the owner did not get ready");
        owner
    }

    /// Sends SIGKILL, by dropping.
    fn kill(self) {}
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn wait_until(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

#[test]
fn owner_of_a_durable_cluster() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    // The runtime and its threads end long before the process.
    let start = || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(Cluster::start(Options::durable(directory))).unwrap()
    };
    let _cluster = std::thread::scope(|scope| scope.spawn(start).join().unwrap());
    std::thread::sleep(Duration::from_millis(500));
    println!("READY");
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test]
async fn owner_of_a_test_database() {
    if env::var_os(DIRECTORY).is_none() {
        return;
    }
    let _database = testing::database("empty", async |_| Ok(())).await;
    println!("READY");
    std::thread::sleep(Duration::from_secs(60));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_server_stops_when_its_owner_is_killed() {
    let dir = TempDir::new("owner").unwrap();
    let owner = Owner::start("parent_process::owner_of_a_durable_cluster", dir.path());
    let server = postmaster(dir.path());
    assert!(test_kill_process(server).is_ok(), "the server stopped with the thread that started it");
    owner.kill();
    let pid_file = dir.path().join("postgres/data/postmaster.pid");
    assert!(wait_until(Duration::from_secs(5), || !pid_file.exists()), "the server did not shut down");
}

#[tokio::test]
async fn a_killed_owners_cluster_can_be_started_at_once() {
    let dir = TempDir::new("again").unwrap();
    let owner = Owner::start("parent_process::owner_of_a_durable_cluster", dir.path());
    owner.kill();
    let cluster = Cluster::start(Options::durable(dir.path())).await.unwrap();
    cluster.stop().await.unwrap();
}

#[test]
fn the_test_cluster_is_removed_when_its_process_is_killed() {
    let dir = TempDir::new("leave").unwrap();
    let owner = Owner::start("parent_process::owner_of_a_test_database", dir.path());
    let clusters = || {
        let entries = fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
        entries.filter(|entry| entry.path().join("postgres").exists()).count()
    };
    assert_eq!(clusters(), 1);
    owner.kill();
    assert!(wait_until(Duration::from_secs(15), || clusters() == 0), "the directory still exists");
}
