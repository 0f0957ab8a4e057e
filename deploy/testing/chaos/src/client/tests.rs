//! Clients of a whole store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Client, Counters, ProductSet};
use crate::{
    cluster::{Cluster, ClusterOptions},
    journal::Journal,
};

/// Short enough to expire within a scenario.
const ACCESS_TTL: Duration = Duration::from_secs(2);
/// Longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_both_retry_profiles_continue_when_their_tokens_expire() {
    let options = ClusterOptions {
        standalone: true,
        durable: false,
        seed: 0,
        access_ttl: Some(ACCESS_TTL),
        log_dir: None,
        metrics: false,
        pgbouncer: None,
    };
    let cluster = Cluster::start(options).await.unwrap();
    let products = ProductSet::create(cluster.url(), cluster.admin(), 5, 100_000).await.unwrap();
    let journal = Journal::start();
    let stop = CancellationToken::new();
    let counters = Arc::<Counters>::default();

    let (backoff, aggressive) = (0, 3);
    let clients = [backoff, aggressive].map(|number| {
        let stripe = cluster.stripe().clone();
        let client = Client::new(number, 1, cluster.url(), journal.clone(), stripe, &products);
        tokio::spawn(client.with_counters(&counters).run(stop.clone()))
    });
    let started = Instant::now();
    while !(has_continued(&journal, backoff) && has_continued(&journal, aggressive)) {
        assert!(started.elapsed() < TIMEOUT, "a client does not continue: {counters}");
        sleep(Duration::from_millis(100)).await;
    }
    stop.cancel();
    for client in clients {
        client.await.unwrap();
    }
}

/// Whether a client has read a paid order after its token has expired.
fn has_continued(journal: &Journal, number: usize) -> bool {
    let exchanges = journal.exchanges().into_iter().filter(|exchange| exchange.client == number);
    let mut later = exchanges.skip_while(|exchange| exchange.response["code"] != "expired_token");
    later.any(|exchange| exchange.response["status"] == "paid")
}
