//! A store that Prometheus observes: where its metrics are, and how long it runs.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::cluster::Cluster;

/// What [`keep_running`] prints.
const READY: &str = "the clients have stopped; the store runs until the end of the input";
/// Longest time for which the store runs after its clients.
const MAX_TIME: Duration = Duration::from_secs(300);

/// Writes the addresses of the metrics as Prometheus' `file_sd_configs` reads them. The job is the name of the process.
pub(crate) fn write(file: &Path, cluster: &Cluster) -> io::Result<()> {
    let targets = cluster
        .metrics_addresses()
        .map(|(job, address)| serde_json::json!({"targets": [address.to_string()], "labels": {"job": job}}));
    let next = file.with_extension("next");
    fs::write(&next, serde_json::Value::from_iter(targets).to_string())?;
    fs::rename(next, file)
}

/// Waits until the standard input ends, at most for [`MAX_TIME`].
pub(crate) async fn keep_running() -> io::Result<()> {
    println!("{READY}");
    io::stdout().flush()?;
    let (ended, end) = oneshot::channel();
    // A thread of its own, because the runtime would wait for a blocking task that reads.
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = ended.send(());
    });
    let _ = timeout(MAX_TIME, end).await;
    Ok(())
}
