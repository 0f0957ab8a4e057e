//! Events of products for other systems. They need a NATS server, say so and pass if it is not installed.

use std::{collections::HashMap, time::Duration};

use bodega_events::testing::{NatsServer, assert_valid};
use bodega_proto::catalog::v1::{CreateProductRequest, PutVariantsRequest, UpdateProductRequest, Variant};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::test_app::{TestApp, product, update_request};

/// Work is completed within this time.
const SOON: Duration = Duration::from_secs(30);

async fn create(app: &TestApp, name: &str, stock: i32) -> i32 {
    app.create(CreateProductRequest { stock, ..product(name) }).await.id
}

async fn rename(app: &TestApp, id: i32, name: &str) {
    app.update(UpdateProductRequest { name: Some(name.to_owned()), ..update_request(id) }).await.unwrap();
}

/// Waits until the last event of each product has its current state, and returns the number of events of each product.
/// Checks that versions only grow, apart from repeated events.
async fn wait_for_current_state(server: &NatsServer, app: &TestApp) -> HashMap<i64, usize> {
    let started = Instant::now();
    loop {
        let mut last: HashMap<i64, Value> = HashMap::new();
        let mut counts = HashMap::new();
        for event in server.events().await {
            let data = event["data"].clone();
            let id = data["productId"].as_i64().unwrap();
            *counts.entry(id).or_default() += 1;
            if let Some(before) = last.insert(id, data.clone()) {
                assert!(before["version"].as_i64() <= data["version"].as_i64(), "{before} before {data}");
            }
        }
        let state: Vec<_> = last
            .iter()
            .map(|(id, data)| (*id, data["version"].as_i64().unwrap(), data["stock"].as_i64().unwrap()))
            .collect();
        let expected: Vec<(i64, i64, i64)> =
            sqlx::query_as("select id::bigint, version, stock::bigint from catalog.products order by id")
                .fetch_all(&app.db)
                .await
                .unwrap();
        let mut state = state;
        state.sort_unstable();
        if state == expected {
            return counts;
        }
        assert!(started.elapsed() < SOON, "{state:?} instead of {expected:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_latest_state_of_each_product_arrives() {
    let Some(mut server) = NatsServer::start().await else { return };
    let app = TestApp::start().await;
    // Products that exist before NATS is configured.
    let mug = create(&app, "Mug", 100).await;
    let pen = create(&app, "Pen", 0).await;
    let publisher = app.replica_with_nats(server.nats()).await;
    let counts = wait_for_current_state(&server, &app).await;
    assert_eq!(counts.len(), 2);
    server.events().await.iter().for_each(assert_valid);

    // A new product, an edited one and a stock that orders change many times.
    create(&app, "Hat", 0).await;
    rename(&app, pen, "Pencil").await;
    for _ in 0..60 {
        app.reserve(Uuid::now_v7(), &[(mug, 1)]).await;
    }
    let counts = wait_for_current_state(&server, &app).await;
    assert_eq!(counts.len(), 3);
    assert!(counts[&i64::from(mug)] < 40, "the changes of a moment are published together: {counts:?}");
    let names: Vec<_> = server.events().await.iter().map(|event| event["data"]["name"].clone()).collect();
    assert!(names.contains(&json!("Pencil")));

    // Away during changes.
    server.kill();
    for _ in 0..10 {
        app.reserve(Uuid::now_v7(), &[(mug, 1)]).await;
    }
    server.restart().await;
    wait_for_current_state(&server, &app).await;

    // A change of everything: all products of a category.
    drop(publisher);
    sqlx::query("insert into catalog.changes (kind) values ('all')").execute(&app.db).await.unwrap();
    sqlx::query("update catalog.event_publisher set lease_until = now()").execute(&app.db).await.unwrap();
    let before = server.events().await.len();
    sqlx::query("update catalog.products set version = version + 1").execute(&app.db).await.unwrap();
    let _publisher = app.replica_with_nats(server.nats()).await;
    wait_for_current_state(&server, &app).await;
    assert!(server.events().await.len() >= before + 3);
}

#[tokio::test]
async fn many_products_are_published_in_parts_and_a_stopped_publisher_continues() {
    let Some(server) = NatsServer::start().await else { return };
    let app = TestApp::start().await;
    sqlx::query(
        "insert into catalog.products (name, description, price_minor, stock, currency)
         select 'Product ' || n, '', n, 5, 'USD' from generate_series(1, 1500) n",
    )
    .execute(&app.db)
    .await
    .unwrap();
    for milliseconds in [300, 600, 900] {
        let publisher = app.replica_with_nats(server.nats()).await;
        sleep(Duration::from_millis(milliseconds)).await;
        drop(publisher);
        sqlx::query("update catalog.event_publisher set lease_until = now()").execute(&app.db).await.unwrap();
    }
    let _publishers =
        (app.replica_with_nats(server.nats()).await, app.replica_with_nats(server.nats()).await);
    let counts = wait_for_current_state(&server, &app).await;
    assert_eq!(counts.len(), 1_500);
    // The window has ended: nothing is published again.
    let started = Instant::now();
    while pending(&app).await {
        assert!(started.elapsed() < SOON, "the window does not end");
        sleep(Duration::from_millis(50)).await;
    }
    let before = server.events().await.len();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(server.events().await.len(), before);
}

#[tokio::test]
async fn an_outdated_position_publishes_all_products() {
    let Some(server) = NatsServer::start().await else { return };
    let app = TestApp::start().await;
    let mug = create(&app, "Mug", 10).await;
    let publisher = app.replica_with_nats(server.nats()).await;
    wait_for_current_state(&server, &app).await;
    drop(publisher);

    // Away for so long that changes were deleted.
    rename(&app, mug, "Cup").await;
    sqlx::query("delete from catalog.changes").execute(&app.db).await.unwrap();
    sqlx::query(
        "update catalog.event_publisher set published_at = now() - interval '25 hours', lease_until = now()",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let _publisher = app.replica_with_nats(server.nats()).await;
    wait_for_current_state(&server, &app).await;
}

async fn pending(app: &TestApp) -> bool {
    sqlx::query_scalar("select pending is not null or published is null from catalog.event_publisher")
        .fetch_one(&app.db)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_change_of_a_variant_is_an_event_of_its_product() {
    let Some(server) = NatsServer::start().await else { return };
    let app = TestApp::start().await;
    let mug = create(&app, "Mug", 100).await;
    let publisher = app.replica_with_nats(server.nats()).await;
    wait_for_current_state(&server, &app).await;
    let size = |sku: &str| Variant {
        sku: sku.to_owned(),
        option_values: vec![sku.to_owned()],
        stock: Some(5),
        ..Variant::default()
    };
    let request = PutVariantsRequest {
        product_id: mug,
        option_names: vec!["Size".to_owned()],
        variants: vec![size("S"), size("M")],
        expected_version: None,
    };
    let variants = app.put_variants(request).await.unwrap().variants;
    app.reserve(Uuid::now_v7(), &[(variants[1].id, 1)]).await;
    // Published after the changes before it.
    let hat = create(&app, "Hat", 0).await;
    let started = Instant::now();
    loop {
        let events = server.events().await;
        let ids: Vec<_> = events.iter().map(|event| event["data"]["productId"].as_i64().unwrap()).collect();
        assert!(!ids.contains(&variants[1].id.into()), "{ids:?}");
        if ids.contains(&hat.into()) && ids.iter().filter(|id| **id == i64::from(mug)).count() >= 2 {
            break;
        }
        assert!(started.elapsed() < SOON, "{ids:?}");
        sleep(Duration::from_millis(100)).await;
    }
    drop(publisher);
}
