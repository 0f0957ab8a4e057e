//! The number of catalog calls and SQL statements of each call, as in the table in the documentation of the crate.

use std::{fmt, time::Duration};

use bodega_embedded_postgres::testing::statements::count_all;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::test_app::{Client, TestApp};

/// Returns the number of catalog calls and of SQL statements. Only the connection of a transaction that was not committed is
/// checked.
async fn cost<T: fmt::Debug>(
    app: &TestApp,
    call: impl Future<Output = Result<T, tonic::Status>>,
) -> (usize, usize) {
    app.catalog.take_calls();
    let (response, counts) = count_all(call).await;
    response.unwrap();
    assert_eq!(counts.begins, counts.commits + counts.checks, "{counts:?}");
    (app.catalog.take_calls(), counts.statements)
}

async fn fill(client: &Client) {
    for product_id in 1..=60 {
        client.add(product_id, 1).await.unwrap();
    }
}

#[tokio::test]
async fn calls_stay_within_the_budget_for_any_number_of_lines() {
    let app = TestApp::start().await;
    let app = &app;
    let user = app.user();

    assert_eq!(cost(app, user.get()).await, (0, 1), "an empty cart");
    assert_eq!(cost(app, user.add(1, 1)).await, (1, 1), "the first add");
    fill(&user).await;
    assert_eq!(cost(app, user.get()).await, (1, 1));
    assert_eq!(cost(app, user.add(61, 1)).await, (2, 1));
    assert_eq!(cost(app, user.add(1, 1)).await, (2, 1));
    assert_eq!(cost(app, user.set(1, 5)).await, (2, 1));
    assert_eq!(cost(app, user.set(1, 0)).await, (1, 2));
    assert_eq!(cost(app, user.remove(2)).await, (1, 2));
    assert_eq!(cost(app, async { Ok(app.snapshot(&user).await) }).await, (0, 1));
    let ordered = [(3, 1), (4, 1), (5, 1)];
    let order_id = Uuid::now_v7();
    let clear = async || {
        app.clear_ordered(order_id, &user, &ordered).await;
        Ok(())
    };
    assert_eq!(cost(app, clear()).await, (0, 1));
    assert_eq!(cost(app, clear()).await, (0, 1));

    assert_eq!(cost(app, app.guest("").add(1, 1)).await, (1, 1), "a guest's first add");
    let guest = app.guest_with(1, 1).await;
    fill(&guest).await;
    assert_eq!(cost(app, guest.get()).await, (1, 1));
    assert_eq!(cost(app, guest.add(1, 1)).await, (2, 1));
    assert_eq!(cost(app, user.merge(&guest.guest_token)).await, (0, 4));
    assert_eq!(cost(app, user.merge(&guest.guest_token)).await, (0, 1));
    assert_eq!(cost(app, user.clear()).await, (0, 1));
}

#[tokio::test]
async fn variants_cost_as_much_as_products() {
    let app = TestApp::start().await;
    let app = &app;
    app.catalog.set_variants(&[3, 4, 5], &["S", "M", "L"]);
    let user = app.user();
    assert_eq!(cost(app, user.add_variant(3, 4)).await, (1, 1), "the first add");
    assert_eq!(cost(app, user.add_variant(0, 5)).await, (2, 1));
    assert_eq!(cost(app, user.add_variant(3, 3)).await, (2, 1));
    assert_eq!(cost(app, user.get()).await, (1, 1));
    // To name the choices.
    app.catalog.take_calls();
    let (rejected, counts) = count_all(user.add(3, 1)).await;
    assert!(rejected.is_err());
    assert_eq!((app.catalog.take_calls(), counts.statements), (2, 0));
}

#[tokio::test]
async fn an_add_is_one_transaction() {
    let app = TestApp::start().await;
    let user = app.user();
    for product_id in 1..=3 {
        user.add(product_id, 1).await.unwrap();
        user.add(product_id, 1).await.unwrap();
        // The transactions that wrote the cart and its last line.
        let writers: Vec<String> = sqlx::query_scalar(
            "select xmin::text from cart.carts
             union select xmin::text from cart.cart_items where product_id = $1",
        )
        .bind(product_id)
        .fetch_all(&app.db)
        .await
        .unwrap();
        assert_eq!(writers.len(), 1, "{writers:?}");
    }
}

#[tokio::test]
async fn concurrent_adds_to_different_carts_share_transactions() {
    let app = TestApp::start().await;
    let users: Vec<_> = (0..64).map(|_| app.user()).collect();
    join_all(users.iter().map(|user| user.add(1, 1))).await;
    for added in join_all(users.iter().map(|user| user.add(2, 1))).await {
        assert_eq!(added.unwrap().version, 2);
    }
    let transactions: i64 = sqlx::query_scalar("select count(distinct xmin::text) from cart.carts")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(transactions <= 16, "{transactions} transactions for 64 adds");
}

#[tokio::test]
async fn changes_of_carts_write_to_no_index() {
    let app = TestApp::start().await;
    let user = app.user();
    let guest = app.guest_with(1, 1).await;
    user.add(1, 1).await.unwrap();
    for _ in 0..200 {
        user.add(1, 1).await.unwrap();
        guest.add(1, 1).await.unwrap();
    }
    // Sessions report their numbers at most once a second.
    let hot_updates = async {
        loop {
            let (updates, hot): (i64, i64) = sqlx::query_as(
                "select sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint from pg_stat_user_tables
                 where schemaname = 'cart' and relname in ('carts', 'cart_items')",
            )
            .fetch_one(&app.db)
            .await
            .unwrap();
            if updates >= 800 {
                break (updates, hot);
            }
            user.get().await.unwrap();
            user.set(1, 1).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (updates, hot) = tokio::time::timeout(Duration::from_secs(20), hot_updates).await.unwrap();
    assert!(hot * 100 >= updates * 95, "{hot} of {updates} updates were heap-only");
}
