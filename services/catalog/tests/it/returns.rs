//! Returned units of orders.

use futures_util::future::join_all;
use tonic::Code;
use uuid::Uuid;

use crate::test_app::TestApp;

/// An order with three of ten units, and the product.
async fn reserved(app: &TestApp) -> (Uuid, i32) {
    let product = app.create_with_stock(10).await;
    let order_id = Uuid::now_v7();
    app.reserve(order_id, &[(product, 3)]).await;
    (order_id, product)
}

#[tokio::test]
async fn returned_units_are_added_back_if_requested() {
    let app = TestApp::start().await;
    let (order_id, product) = reserved(&app).await;
    app.return_units(Uuid::now_v7(), order_id, &[(product, 1)], true).await.unwrap();
    app.return_units(Uuid::now_v7(), order_id, &[(product, 1)], false).await.unwrap();
    assert_eq!(app.stock_of(product).await, 8);
    let movements = [("initial", 10), ("reserved", -3), ("returned", 1)];
    assert_eq!(app.movements(product).await, movements.map(|(reason, delta)| (reason.to_owned(), delta)));

    app.release(order_id).await;
    assert_eq!(app.stock_of(product).await, 9, "one unit was discarded");
    app.release(order_id).await;
    app.return_units(Uuid::now_v7(), order_id, &[(product, 1)], true).await.unwrap();
    assert_eq!(app.stock_of(product).await, 9, "nothing is returned after the release");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_order_whose_units_were_all_returned_is_released() {
    let app = TestApp::start().await;
    let (order_id, product) = reserved(&app).await;
    app.return_units(Uuid::now_v7(), order_id, &[(product, 3)], true).await.unwrap();
    app.release(order_id).await;
    assert_eq!(app.stock_of(product).await, 10);
    assert_eq!(app.movements(product).await.len(), 3, "nothing was left to release");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn more_units_than_reserved_are_not_returned() {
    let app = TestApp::start().await;
    let (order_id, product) = reserved(&app).await;
    let error = app.return_units(Uuid::now_v7(), order_id, &[(product, 4)], true).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    app.return_units(Uuid::now_v7(), Uuid::now_v7(), &[(product, 1)], true).await.unwrap();
    assert_eq!(app.stock_of(product).await, 7);
    app.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_counts_once_beside_other_returns_and_a_release() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    for _ in 0..10 {
        let (order_id, product) = reserved(&app).await;
        let return_id = Uuid::now_v7();
        let returns = join_all((0..10).map(async |number| {
            let app = if number % 2 == 0 { &app } else { &replica };
            app.return_units(return_id, order_id, &[(product, 2)], true).await.unwrap();
        }));
        tokio::join!(returns, app.release(order_id));
        assert_eq!(app.stock_of(product).await, 10);
        app.assert_ledger_adds_up().await;
    }
}

#[tokio::test]
async fn a_release_by_an_earlier_version_does_not_add_returned_units_again() {
    let app = TestApp::start().await;
    let (order_id, product) = reserved(&app).await;
    app.return_units(Uuid::now_v7(), order_id, &[(product, 1)], true).await.unwrap();
    let release = "insert into catalog.stock_movements (product_id, delta, reason, order_id) values ($1, 3, 'released', $2)";
    let released = sqlx::query(release).bind(product).bind(order_id).execute(&app.db).await;
    assert!(released.unwrap_err().to_string().contains("has returned units"));
    app.release(order_id).await;
    assert_eq!(app.stock_of(product).await, 10);
}
