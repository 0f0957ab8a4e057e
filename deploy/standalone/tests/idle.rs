//! What a store costs that is not in use.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::harness::store::TestStore;

/// Statements a second, of all services and workers together.
const BUDGET: f64 = 5.0;
/// The time for which workers notice a call, and the longest interval of a worker.
const COOL_DOWN: Duration = Duration::from_secs(12);

/// The number of transactions in the store's database. Each statement of a worker is one of its own.
async fn transactions(store: &TestStore) -> i64 {
    // A session reports its transactions after a second at the earliest.
    sqlx::query_scalar(
        "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()",
    )
    .fetch_one(&store.sql().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_idle_store_executes_at_most_five_statements_a_second() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 1).await.expect(200);
    ada.place_order().await.expect(201);
    store.guest().get("/api/products").await.expect(200);
    sleep(COOL_DOWN).await;

    let (before, started) = (transactions(&store).await, Instant::now());
    sleep(Duration::from_secs(10)).await;
    let count = transactions(&store).await - before;
    let rate = count as f64 / started.elapsed().as_secs_f64();
    assert!(rate > 0.1 && rate <= BUDGET, "{count} transactions: {rate:.1} per second");
}
