//! The number of catalog calls and SQL statements of each call, as in the table in the documentation of the crate.

use std::fmt;

use bodega_embedded_postgres::testing::statements::count;
use uuid::Uuid;

use crate::test_app::{Client, TestApp};

/// Returns the number of catalog calls and of SQL statements.
async fn cost<T: fmt::Debug>(
    app: &TestApp,
    call: impl Future<Output = Result<T, tonic::Status>>,
) -> (usize, usize) {
    app.catalog.take_calls();
    let (response, statements) = count(call).await;
    response.unwrap();
    (app.catalog.take_calls(), statements)
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
    assert_eq!(cost(app, user.add(1, 1)).await, (1, 3), "the first add");
    fill(&user).await;
    assert_eq!(cost(app, user.get()).await, (1, 1));
    assert_eq!(cost(app, user.add(61, 1)).await, (1, 3));
    assert_eq!(cost(app, user.add(1, 1)).await, (1, 3));
    assert_eq!(cost(app, user.set(1, 5)).await, (1, 3));
    assert_eq!(cost(app, user.set(1, 0)).await, (1, 3));
    assert_eq!(cost(app, user.remove(2)).await, (1, 3));
    assert_eq!(cost(app, async { Ok(app.snapshot(&user).await) }).await, (0, 1));
    let ordered = [(3, 1), (4, 1), (5, 1)];
    let order_id = Uuid::now_v7();
    let clear = async || {
        app.clear_ordered(order_id, &user, &ordered).await;
        Ok(())
    };
    assert_eq!(cost(app, clear()).await, (0, 3));
    assert_eq!(cost(app, clear()).await, (0, 1));

    assert_eq!(cost(app, app.guest("").add(1, 1)).await, (1, 2), "a guest's first add");
    let guest = app.guest_with(1, 1).await;
    fill(&guest).await;
    assert_eq!(cost(app, guest.get()).await, (1, 1));
    assert_eq!(cost(app, guest.add(1, 1)).await, (1, 3));
    assert_eq!(cost(app, user.merge(&guest.guest_token)).await, (0, 4));
    assert_eq!(cost(app, user.merge(&guest.guest_token)).await, (0, 1));
    assert_eq!(cost(app, user.clear()).await, (0, 2));
}
