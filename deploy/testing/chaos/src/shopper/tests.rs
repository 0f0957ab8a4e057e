//! Shopping in a whole store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Counts, Shelf, Shopper};
use crate::{
    fleet::{Fleet, FleetOptions},
    journal::Journal,
};

/// Good for so short a time that it expires in the middle of errands.
const ACCESS_TTL: Duration = Duration::from_secs(2);
/// How long the shoppers have.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn shoppers_of_either_temper_shop_on_when_their_tokens_expire() {
    let options = FleetOptions {
        standalone: true,
        durable: false,
        seed: 0,
        access_ttl: Some(ACCESS_TTL),
        log_dir: None,
    };
    let fleet = Fleet::start(options).await.unwrap();
    let shelf = Shelf::stock(fleet.url(), fleet.admin(), 5, 100_000).await.unwrap();
    let journal = Journal::begin();
    let until = CancellationToken::new();
    let counts = Arc::<Counts>::default();

    let (sane, mad) = (0, 3);
    let shopping = [sane, mad].map(|number| {
        let stripe = fleet.stripe().clone();
        let shopper = Shopper::new(number, 1, fleet.url(), journal.clone(), stripe, &shelf);
        tokio::spawn(shopper.counting(&counts).shop(until.clone()))
    });
    let begun = Instant::now();
    while !(has_shopped_on(&journal, sane) && has_shopped_on(&journal, mad)) {
        assert!(begun.elapsed() < PATIENCE, "nobody shops on: {counts}");
        sleep(Duration::from_millis(100)).await;
    }
    until.cancel();
    for shopper in shopping {
        shopper.await.unwrap();
    }
}

/// Whether a shopper whose token expired saw an order paid afterwards.
fn has_shopped_on(journal: &Journal, number: usize) -> bool {
    let told = journal.exchanges().into_iter().filter(|exchange| exchange.shopper == number);
    let mut since = told.skip_while(|exchange| exchange.told["code"] != "expired_token");
    since.any(|exchange| exchange.told["status"] == "paid")
}
