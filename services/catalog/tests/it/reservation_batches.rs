//! Reservations of concurrent orders, which share statements.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bodega_proto::catalog::v1::reserve_response::Outcome;
use futures_util::future::join_all;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use uuid::Uuid;

use crate::{image_fixtures::wait_until, test_app::TestApp};

/// Maximum number of orders in a statement.
const BATCH: usize = 64;
/// Far longer than a batch waits for a lock, and far shorter than [`HELD`].
const SOON: Duration = Duration::from_millis(1_500);
/// How long a test holds a lock; longer than the time limit of a statement.
const HELD: Duration = Duration::from_millis(3_000);

fn is_reserved(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Reserved(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn buyers_of_the_last_units_get_exactly_these() {
    let app = TestApp::start().await;
    let mug = app.create_with_stock(100).await;
    let lines = [(mug, 2)];
    let outcomes = join_all((0..BATCH).map(|_| app.reserve(Uuid::now_v7(), &lines))).await;
    assert_eq!(outcomes.iter().filter(|outcome| is_reserved(outcome)).count(), 50);
    assert_eq!(app.stock_of(mug).await, 0);
    app.assert_ledger_adds_up().await;
}

/// Lines of an order: a position in the list of products, and a quantity.
type Lines = Vec<(usize, i32)>;

/// Orders of up to three of six products, most of them of the same two.
fn orders() -> impl Strategy<Value = Vec<Lines>> {
    let product = prop_oneof![3 => 0..2_usize, 1 => 2..6_usize];
    let line = (product, prop_oneof![8 => 1..4_i32, 1 => 10..40_i32]);
    prop::collection::vec(prop::collection::vec(line, 1..=3), BATCH)
}

/// Returns which orders get stock if each is served before the next one.
fn serve_in_sequence(orders: &[Lines], stock: &mut [i32]) -> Vec<bool> {
    let serve = |lines: &Lines| {
        let mut quantities = BTreeMap::<_, i32>::new();
        lines.iter().for_each(|(product, quantity)| *quantities.entry(*product).or_default() += quantity);
        let fits = quantities.iter().all(|(product, quantity)| stock[*product] >= *quantity);
        if fits {
            quantities.into_iter().for_each(|(product, quantity)| stock[product] -= quantity);
        }
        fits
    };
    orders.iter().map(serve).collect()
}

#[tokio::test]
async fn orders_in_a_batch_get_stock_in_the_sequence_of_their_calls() {
    let app = TestApp::start().await;
    let other = app.create_with_stock(1000).await;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for round in 0..12 {
        let orders = orders().new_tree(&mut runner).unwrap().current();
        let mut stock = [60, 60, 8, 8, 8, 8];
        let mut products = Vec::new();
        for units in stock {
            products.push(app.create_with_stock(units).await);
        }
        let expected = serve_in_sequence(&orders, &mut stock);
        assert!(expected.contains(&false), "{expected:?}");

        // All orders wait for the first one, which has no product of theirs, and become one batch.
        let first = vec![(other, 1)];
        let lines = orders.iter().map(|lines| {
            lines.iter().map(|(position, quantity)| (products[*position], *quantity)).collect::<Vec<_>>()
        });
        let calls: Vec<_> = std::iter::once(first).chain(lines).collect();
        let outcomes = join_all(calls.iter().map(|lines| app.reserve(Uuid::now_v7(), lines))).await;
        let reserved: Vec<_> = outcomes[1..].iter().map(is_reserved).collect();
        assert_eq!(reserved, expected, "round {round}: {orders:?}");
        let mut left = Vec::new();
        for product in &products {
            left.push(app.stock_of(*product).await);
        }
        assert_eq!(left, stock, "round {round}");
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_on_the_orders_that_get_the_last_units() {
    let app = TestApp::start().await;
    let replicas = [app.replica().await, app.replica().await];
    for _ in 0..10 {
        let (mug, cup) = (app.create_with_stock(30).await, app.create_with_stock(60).await);
        let orders: Vec<_> = (0..60)
            .map(|order| {
                let lines = if order % 2 == 0 { vec![(mug, 1)] } else { vec![(cup, 2), (mug, 1)] };
                (Uuid::now_v7(), lines)
            })
            .collect();
        // Each replica reserves for every order: a retry may arrive at another replica while the first call is in flight.
        let calls = replicas.iter().map(|replica| {
            join_all(orders.iter().map(|(order_id, lines)| replica.reserve(*order_id, lines)))
        });
        let outcomes = join_all(calls).await;
        let reserved: Vec<Vec<_>> =
            outcomes.iter().map(|outcomes| outcomes.iter().map(is_reserved).collect()).collect();
        assert_eq!(reserved[0], reserved[1]);
        // No order was rejected although there was enough for it.
        assert_eq!(app.stock_of(mug).await, 0);
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_product_delays_only_its_own_orders() {
    let app = TestApp::start().await;
    let locked = app.create_with_stock(100).await;
    let others = [app.create_with_stock(100).await, app.create_with_stock(100).await];
    let mut transaction = app.db.begin().await.unwrap();
    let lock = "select from catalog.products where id = $1 for update";
    sqlx::query(lock).bind(locked).execute(&mut *transaction).await.unwrap();

    let started = Instant::now();
    // More than there are connections.
    let orders = (0..30).map(|order| {
        let lines = if order % 2 == 0 { vec![(locked, 1)] } else { vec![(others[0], 1), (locked, 1)] };
        (Uuid::now_v7(), lines)
    });
    let orders: Vec<_> = orders.collect();
    let blocked = join_all(orders.iter().map(|(order_id, lines)| app.try_reserve(*order_id, lines)));
    let blocked = async {
        let outcomes = blocked.await;
        // A statement times out before the lock is released.
        assert!(started.elapsed() >= HELD || outcomes.iter().all(Result::is_err), "{outcomes:?}");
    };
    let unblocked = async {
        let lines = others.map(|product| [(product, 1)]);
        let calls = (0..30).map(|order| app.reserve(Uuid::now_v7(), &lines[order % 2]));
        let outcomes = join_all(calls).await;
        assert!(outcomes.iter().all(is_reserved), "{outcomes:?}");
        // Nor are there connections missing for reads.
        app.get(locked).await.unwrap();
        started.elapsed()
    };
    let release = async {
        tokio::time::sleep(HELD).await;
        transaction.rollback().await.unwrap();
    };
    let ((), time, ()) = tokio::join!(blocked, unblocked, release);
    assert!(time < SOON, "{time:?}");
    for (order_id, lines) in &orders {
        assert!(is_reserved(&app.reserve(*order_id, lines).await));
    }
    assert_eq!((app.stock_of(locked).await, app.stock_of(others[0]).await), (70, 70));
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_waits_for_a_product_does_not_delay_the_next_one() {
    let app = TestApp::start().await;
    let (locked, other) = (app.create_with_stock(5).await, app.create_with_stock(5).await);
    let mut transaction = app.db.begin().await.unwrap();
    let lock = "select from catalog.products where id = $1 for update";
    sqlx::query(lock).bind(locked).execute(&mut *transaction).await.unwrap();
    let lines = [(locked, 1)];
    let waiting = app.reserve(Uuid::now_v7(), &lines);
    let next = async {
        wait_until("the first order waits", async || app.blocked_statements().await > 0).await;
        let started = Instant::now();
        assert!(is_reserved(&app.reserve(Uuid::now_v7(), &[(other, 1)]).await));
        let time = started.elapsed();
        transaction.rollback().await.unwrap();
        time
    };
    let (outcome, time) = tokio::join!(waiting, next);
    assert!(is_reserved(&outcome));
    assert!(time < SOON, "{time:?}");
}

#[tokio::test]
async fn a_reservation_returns_the_versions_of_its_products() {
    let app = TestApp::start().await;
    let (mug, cup) = (app.create_with_stock(5).await, app.create_with_stock(5).await);
    let order_id = Uuid::now_v7();
    let versions = |outcome| match outcome {
        Outcome::Reserved(reserved) => reserved.lines.iter().map(|line| line.version).collect::<Vec<_>>(),
        Outcome::InsufficientStock(short) => panic!("{short:?}"),
    };
    let reserved = versions(app.reserve(order_id, &[(mug, 1), (cup, 1)]).await);
    let current: Vec<_> =
        app.batch_get(&[mug, cup]).await.iter().map(|product| Some(product.version)).collect();
    assert_eq!(reserved, current);
    assert_eq!(versions(app.reserve(order_id, &[(mug, 1), (cup, 1)]).await), [None, None]);
}

#[tokio::test]
async fn concurrent_reservations_share_statements() {
    let app = TestApp::start().await;
    let mug = app.create_with_stock(1000).await;
    let lines = [(mug, 1)];
    let outcomes = join_all((0..=BATCH).map(|_| app.reserve(Uuid::now_v7(), &lines))).await;
    assert!(outcomes.iter().all(is_reserved), "{outcomes:?}");
    let transactions = app.number("select count(distinct xmin::text) from catalog.reservations").await;
    assert_eq!(transactions, 2, "one of the first call, and one of all others");
    app.assert_ledger_adds_up().await;
}
