//! Concurrent orders, which share statements.

use std::time::{Duration, Instant};

use bodega_proto::order::v1::{PlaceOrderRequest, PlaceOrderResponse};
use futures_util::future::join_all;

use crate::test_app::{MUG, PEN, TestApp, lines, with_long_deadline};

/// Far longer than a batch waits for a lock, and far shorter than [`HELD`].
const SOON: Duration = Duration::from_millis(1_500);
/// How long a test holds a lock; longer than the time limit of a statement.
const HELD: Duration = Duration::from_millis(3_000);

async fn count(app: &TestApp, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_orders_share_transactions() {
    let app = TestApp::start().await;
    let users: Vec<_> = (0..100).map(|_| app.user_with_cart(&[(MUG, 1), (PEN, 2)])).collect();
    for result in join_all(users.iter().map(|user| app.place(*user, "key"))).await {
        let order = result.unwrap();
        assert_eq!(lines(&order), [(MUG, 1), (PEN, 2)]);
        assert_eq!(app.get(&order.id).await, order, "the response is the stored order");
    }
    let starts = count(&app, "select count(distinct xmin::text) from orders.latest_checkouts").await;
    let ends = count(&app, "select count(distinct xmin::text) from orders.order_events").await;
    assert!(starts <= 50 && ends <= 50, "{starts} transactions for starts, {ends} for ends of 100 checkouts");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_checkout_delays_only_its_own_user() {
    let app = TestApp::start().await;
    let blocked = app.user_with_cart(&[(MUG, 1)]);
    app.place(blocked, "").await.unwrap();
    app.add_to_cart(blocked, &[(PEN, 1)]);
    let users: Vec<_> = (0..30).map(|_| app.user_with_cart(&[(MUG, 1)])).collect();
    let mut transaction = app.db.begin().await.unwrap();
    let lock = "select from orders.latest_checkouts where user_id = $1 for update";
    sqlx::query(lock).bind(blocked).execute(&mut *transaction).await.unwrap();

    let started = Instant::now();
    let blocked_order = async {
        let result = app.place(blocked, "").await;
        assert!(result.is_err() || started.elapsed() >= HELD, "{result:?}");
    };
    let others = async {
        for result in join_all(users.iter().map(|user| app.place(*user, ""))).await {
            result.unwrap();
        }
        started.elapsed()
    };
    let release = async {
        tokio::time::sleep(HELD).await;
        transaction.rollback().await.unwrap();
    };
    let ((), time, ()) = tokio::join!(blocked_order, others, release);
    assert!(time < SOON, "{time:?}");
    app.place(blocked, "").await.ok(); // if it has not been placed above
    assert_eq!(app.orders_of(blocked).await, 2);
    app.assert_consistent().await;
}

#[tokio::test]
async fn the_next_order_does_not_wait_until_the_last_delivery_is_deleted() {
    let app = TestApp::start().await;
    // No delivery can be deleted while the test holds the lock, and the worker does not deliver it again.
    let triggers = "create function orders.wait() returns trigger language plpgsql as
                        'begin perform pg_advisory_xact_lock(1); return old; end';
                    create trigger wait before delete on orders.outbox for each row execute function orders.wait();
                    create function orders.postpone() returns trigger language plpgsql as
                        'begin new.next_attempt_at = now() + interval ''1 hour''; return new; end';
                    create trigger postpone before insert on orders.outbox
                        for each row execute function orders.postpone();";
    sqlx::raw_sql(triggers).execute(&app.db).await.unwrap();
    let mut transaction = app.db.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(1)").execute(&mut *transaction).await.unwrap();

    let user = app.user_with_cart(&[(MUG, 1)]);
    app.place(user, "").await.unwrap();
    app.add_to_cart(user, &[(PEN, 1)]);
    let second = app.place(user, "").await.unwrap();
    assert_eq!(lines(&second), [(PEN, 1)]);
    assert_eq!(count(&app, "select count(*) from orders.outbox").await, 2);
    assert_eq!(app.cart.calls(), (2, 2), "each cart is cleared once");

    transaction.rollback().await.unwrap();
    sqlx::query("update orders.outbox set next_attempt_at = now()").execute(&app.db).await.unwrap();
    app.assert_consistent().await;
}

#[tokio::test]
async fn the_response_has_the_versions_of_the_products_unless_it_is_repeated() {
    let app = TestApp::start().await;
    let user = app.user_with_cart(&[(MUG, 1), (PEN, 2)]);
    let place = async || {
        let request = PlaceOrderRequest { idempotency_key: "key".to_owned(), ..Default::default() };
        with_long_deadline(app.client(user).place_order(request)).await.unwrap().into_inner()
    };
    let versions = |response: &PlaceOrderResponse| {
        let products = response.product_versions.iter();
        products.map(|product| (product.product_id, product.version)).collect::<Vec<_>>()
    };
    let first = place().await;
    assert_eq!(versions(&first), [(MUG, 2), (PEN, 2)]);
    let repeated = place().await;
    assert_eq!((&repeated.order, versions(&repeated)), (&first.order, Vec::new()));
}
