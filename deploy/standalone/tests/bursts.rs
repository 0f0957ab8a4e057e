//! Many buyers at the same time, at default settings.

use std::time::Instant;

use futures_util::{StreamExt as _, future::join_all, stream};
use serde_json::json;

use crate::harness::store::{Client, Response, TestStore};

/// Few enough that no request waits for too long, even on a busy machine.
const CONCURRENT_REQUESTS: usize = 4;
const BUYERS: usize = 120;
/// Buyers that measure how many orders this machine processes per second.
const PROBE: usize = 20;

fn count(responses: &[Response], status: u16, code: &str) -> usize {
    responses.iter().filter(|response| response.status == status && response.code() == code).count()
}

#[tokio::test]
async fn a_burst_of_buyers_gets_every_unit_once_and_no_server_error() {
    let store = TestStore::start_with_default_timeouts().await;
    let mug = store.admin().create_product("Mug", "9.50", 1_000).await;
    let buyers: Vec<_> = stream::iter(0..BUYERS)
        .map(async |index| {
            let buyer = store.register(&format!("buyer{index}")).await;
            buyer.add_to_cart(mug, 1).await.expect(200);
            buyer
        })
        .buffer_unordered(CONCURRENT_REQUESTS)
        .collect()
        .await;

    let started = Instant::now();
    let (probe, buyers) = buyers.split_at(PROBE);
    let probed = stream::iter(probe).for_each_concurrent(CONCURRENT_REQUESTS, async |buyer| {
        buyer.place_order().await.expect(201);
    });
    probed.await;
    // As many buyers as are served in half a second, a quarter of the request timeout.
    let rate = PROBE as f64 / started.elapsed().as_secs_f64();
    let buyers = &buyers[..((rate / 2.0) as usize).clamp(10, buyers.len())];
    let units = buyers.len() / 10;
    store.admin().patch(&format!("/api/products/{mug}"), json!({"stock": units})).await.expect(200);

    let responses = join_all(buyers.iter().map(Client::place_order)).await;

    let (placed, short) = (count(&responses, 201, ""), count(&responses, 409, "out_of_stock"));
    assert_eq!((placed, short), (units, buyers.len() - units), "{rate}/s: {responses:?}");
    assert_eq!(store.admin().stock_of(mug).await, 0);
    store.verify().await;
}
