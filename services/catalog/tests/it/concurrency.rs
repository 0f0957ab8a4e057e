//! Concurrent reservations and updates.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteCategoryRequest, UpdateCategoryRequest, UpdateProductRequest,
    reserve_response::Outcome,
};
use futures_util::{StreamExt as _, stream};
use tonic::Code;
use uuid::Uuid;

use crate::{
    image_fixtures::wait_until,
    test_app::{TestApp, by_id, by_name, product, update_request},
};

/// Number of concurrent calls. The pool has ten connections; more calls would wait for one and time out.
const CONCURRENCY: usize = 8;

/// Executes calls concurrently, at most `limit` at a time, and returns their outcomes in order.
async fn run<T>(limit: usize, calls: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(calls).buffered(limit).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reservations_never_oversell() {
    let app = TestApp::start().await;
    let (mug, cup) = (app.create_with_stock(50).await, app.create_with_stock(50).await);
    let outcomes = run(
        CONCURRENCY,
        (0..200).map(|number| {
            let lines = if number % 2 == 0 { [(mug, 1), (cup, 1)] } else { [(cup, 1), (mug, 1)] };
            let app = &app;
            async move { app.try_reserve(Uuid::now_v7(), &lines).await.unwrap() }
        }),
    )
    .await;
    let reserved = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Reserved(_))).count();
    assert_eq!(reserved, 50);
    assert_eq!((app.stock_of(mug).await, app.stock_of(cup).await), (0, 0));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reservations_of_one_order_reserve_once() {
    let app = TestApp::start().await;
    let mug = app.create_with_stock(50).await;
    let order_id = Uuid::now_v7();
    let lines = [(mug, 3)];
    let mut outcomes = run(CONCURRENCY, (0..20).map(|_| app.reserve(order_id, &lines))).await;
    let versions = outcomes.iter_mut().filter_map(|outcome| match outcome {
        Outcome::Reserved(reserved) => reserved.lines[0].version.take(),
        Outcome::InsufficientStock(_) => None,
    });
    assert_eq!(versions.count(), 1, "only the call that reserves returns versions");
    assert!(outcomes.iter().all(|outcome| outcome == &outcomes[0]), "{outcomes:?}");
    assert!(matches!(outcomes[0], Outcome::Reserved(_)));
    assert_eq!(app.stock_of(mug).await, 47);

    run(CONCURRENCY, (0..20).map(|_| app.release(order_id))).await;
    assert_eq!(app.stock_of(mug).await, 50);
    assert_eq!(app.movements(mug).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrent_reservation_and_release_leave_no_stock_reserved() {
    let app = TestApp::start().await;
    let mug = app.create_with_stock(50).await;
    let lines = [(mug, 1)];
    run(
        CONCURRENCY / 2,
        (0..40).map(|_| {
            let (app, lines, order_id) = (&app, &lines, Uuid::now_v7());
            async move {
                let (outcome, ()) = tokio::join!(app.try_reserve(order_id, lines), app.release(order_id));
                if let Err(rejected) = outcome {
                    assert_eq!(rejected.code(), Code::FailedPrecondition, "{rejected:?}");
                }
            }
        }),
    )
    .await;
    assert_eq!(app.stock_of(mug).await, 50);
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_stock_updates_and_reservations_match_the_ledger() {
    let app = TestApp::start().await;
    let (mug, cup) = (app.create_with_stock(100).await, app.create_with_stock(100).await);
    let orders = run(
        CONCURRENCY / 2,
        (0..60).map(|_| {
            let (app, order_id) = (&app, Uuid::now_v7());
            async move {
                app.reserve(order_id, &[(cup, 1), (mug, 2)]).await;
                if order_id.as_u128().is_multiple_of(2) {
                    app.release(order_id).await;
                }
            }
        }),
    );
    let edits = run(
        CONCURRENCY / 2,
        (0..30).map(|edit| {
            let app = &app;
            async move {
                let id = if edit % 2 == 0 { mug } else { cup };
                let set = UpdateProductRequest { stock: Some(50 + edit), ..update_request(id) };
                app.update(set).await.unwrap();
            }
        }),
    );
    tokio::join!(orders, edits);
    app.assert_ledger_adds_up().await;
    assert!(app.movements(mug).await.iter().any(|(reason, _)| reason == "adjusted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn category_changes_do_not_deadlock_with_reservations_and_updates() {
    let app = TestApp::start().await;
    let category = app.create_category("Kitchen").await;
    let mut products = Vec::new();
    for _ in 0..10 {
        let request = CreateProductRequest { stock: 100, category: Some(by_id(category)), ..product("Mug") };
        products.push(app.create(request).await.id);
    }
    let orders = run(
        CONCURRENCY / 2,
        (0..40).map(|order| {
            let (app, products) = (&app, &products);
            async move {
                let lines: Vec<_> = products.iter().rev().skip(order % 5).map(|id| (*id, 1)).collect();
                app.reserve(Uuid::now_v7(), &lines).await;
            }
        }),
    );
    let edits = run(
        CONCURRENCY / 2,
        products.iter().map(|&id| {
            let app = &app;
            async move {
                let moved = UpdateProductRequest { category: Some(by_name("Other")), ..update_request(id) };
                app.update(moved).await.unwrap();
            }
        }),
    );
    let renames = async {
        let mut admin = app.admin();
        for number in 0..10 {
            let name = format!("Kitchen {number}");
            admin.update_category(UpdateCategoryRequest { id: category, name }).await.unwrap();
        }
        admin.delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    };
    tokio::join!(orders, edits, renames);
    for product in app.batch_get(&products).await {
        assert_eq!(product.category.unwrap().name, "Other");
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_products_create_a_new_category_once() {
    let app = TestApp::start().await;
    let created = run(
        CONCURRENCY,
        (0..20).map(|number| {
            let name = if number % 2 == 0 { "Kitchen" } else { "KITCHEN" };
            app.create(CreateProductRequest { category: Some(by_name(name)), ..product("Mug") })
        }),
    )
    .await;
    let first = created[0].category.clone().unwrap().id;
    assert!(created.iter().all(|product| product.category.as_ref().unwrap().id == first));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_updates_of_a_version_succeeds() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let outcomes = run(
        CONCURRENCY,
        (0..20).map(|number| {
            let name = Some(format!("Mug {number}"));
            app.update(UpdateProductRequest { name, expected_version: Some(1), ..update_request(id) })
        }),
    )
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|error| error.code() == Code::Aborted)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_a_reservation_after_a_deadlock() {
    let app = TestApp::start().await;
    let (mug, cup) = (app.create_with_stock(5).await, app.create_with_stock(5).await);
    let order_id = Uuid::now_v7();
    let lines = [(mug, 1), (cup, 1)];
    let lock = "select from catalog.products where id = $1 for update";

    // Another transaction locks in the opposite order. Its deadlock timeout is longer, so the reservation is aborted.
    // The first attempt of a reservation waits for 50 ms only, and the next one until the deadlock.
    let mut other = app.db.begin().await.unwrap();
    sqlx::query("set local deadlock_timeout = '1min'").execute(&mut *other).await.unwrap();
    sqlx::query(lock).bind(cup).execute(&mut *other).await.unwrap();
    let other_transaction = async {
        let blocked = "select count(*) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'
                         and query_start < now() - interval '100 ms'";
        wait_until("the reservation waits", async || app.number(blocked).await > 0).await;
        sqlx::query(lock).bind(mug).execute(&mut *other).await.unwrap();
        other.rollback().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(app.try_reserve(order_id, &lines), other_transaction);
    assert!(matches!(outcome.unwrap(), Outcome::Reserved(_)));
    assert_eq!((app.stock_of(mug).await, app.stock_of(cup).await), (4, 4));
    // Postgres publishes statistics with a delay.
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    wait_until("the deadlock is counted", async || app.number(deadlocks).await > 0).await;
}
