//! Reservations of stock for orders, and the ledger.

use bodega_proto::catalog::v1::{
    CreateProductRequest, InsufficientStockLine, UpdateProductRequest, reserve_response::Outcome,
};
use tonic::Code;
use uuid::Uuid;

use crate::test_app::{TestApp, assert_invalid, product, rejection, update_request};

fn insufficient(outcome: Outcome) -> Vec<InsufficientStockLine> {
    match outcome {
        Outcome::InsufficientStock(insufficient) => insufficient.lines,
        Outcome::Reserved(reserved) => panic!("{reserved:?}"),
    }
}

/// Returns product, name, price and quantity of each reserved line, and the currency.
fn reserved(outcome: Outcome) -> (Vec<(i32, String, i64, i32)>, String) {
    match outcome {
        Outcome::Reserved(reserved) => {
            let lines = reserved.lines.into_iter();
            let lines = lines.map(|line| (line.product_id, line.name, line.price_minor, line.quantity));
            (lines.collect(), reserved.currency)
        }
        Outcome::InsufficientStock(insufficient) => panic!("{insufficient:?}"),
    }
}

#[tokio::test]
async fn reserves_all_lines_at_the_current_names_and_prices() {
    let app = TestApp::start().await;
    let mug = app.create(CreateProductRequest { stock: 5, price_minor: 1999, ..product("Mug") }).await.id;
    let cup = app.create(CreateProductRequest { stock: 9, price_minor: 5, ..product("Cup") }).await.id;
    let order_id = Uuid::now_v7();
    let outcome = app.reserve(order_id, &[(cup, 2), (mug, 1), (cup, 3)]).await;
    let lines = vec![(mug, "Mug".to_owned(), 1999, 1), (cup, "Cup".to_owned(), 5, 5)];
    assert_eq!(reserved(outcome), (lines.clone(), "USD".to_owned()));
    assert_eq!((app.stock_of(mug).await, app.stock_of(cup).await), (4, 4));
    assert_eq!(app.movements(cup).await[1], ("reserved".to_owned(), -5));

    // A retry returns the first result, although the product has changed.
    let renamed =
        UpdateProductRequest { name: Some("New".to_owned()), price_minor: Some(1), ..update_request(mug) };
    app.update(renamed).await.unwrap();
    assert_eq!(reserved(app.reserve(order_id, &[(mug, 1)]).await), (lines, "USD".to_owned()));
    assert_eq!((app.stock_of(mug).await, app.stock_of(cup).await), (4, 4));
}

#[tokio::test]
async fn insufficient_stock_reserves_nothing_and_names_every_line() {
    let app = TestApp::start().await;
    let (enough, few, archived) =
        (app.create_with_stock(9).await, app.create_with_stock(1).await, app.create_with_stock(9).await);
    app.archive(archived).await;
    let order_id = Uuid::now_v7();
    let lines = [(archived, 1), (99_999, 3), (few, 1), (enough, 9), (few, 1)];
    let expected = [(few, "Mug", 2, 1), (archived, "Mug", 1, 0), (99_999, "", 3, 0)];
    let expected = expected.map(|(product_id, name, requested, available)| InsufficientStockLine {
        product_id,
        name: name.to_owned(),
        requested,
        available,
    });
    assert_eq!(insufficient(app.reserve(order_id, &lines).await), expected);
    assert_eq!((app.stock_of(enough).await, app.stock_of(few).await), (9, 1));
    let remaining: i64 =
        sqlx::query_scalar("select count(*) from catalog.reservations").fetch_one(&app.db).await.unwrap();
    assert_eq!(remaining, 0);

    // The same order can retry once there is enough stock.
    app.update(UpdateProductRequest { stock: Some(2), ..update_request(few) }).await.unwrap();
    reserved(app.reserve(order_id, &[(few, 2)]).await);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn sums_of_lines_do_not_overflow() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1_000_000_000).await;
    let lines = [(id, 1_000_000); 200];
    assert_eq!(reserved(app.reserve(Uuid::now_v7(), &lines).await).0[0].3, 200_000_000);
    assert_eq!(app.stock_of(id).await, 800_000_000);
}

#[tokio::test]
async fn rejects_invalid_lines() {
    let app = TestApp::start().await;
    let order_id = Uuid::now_v7();
    assert_invalid(app.try_reserve(order_id, &[]).await, &["lines"]);
    assert_invalid(app.try_reserve(order_id, &[(1, 1); 201]).await, &["lines"]);
    let outcome = app.try_reserve(order_id, &[(1, 0), (1, 1), (1, 1_000_001)]).await;
    assert_invalid(outcome, &["lines[0].quantity", "lines[2].quantity"]);
}

#[tokio::test]
async fn a_release_returns_stock_once_and_to_archived_products() {
    let app = TestApp::start().await;
    let (mug, cup) = (app.create_with_stock(5).await, app.create_with_stock(5).await);
    let order_id = Uuid::now_v7();
    app.reserve(order_id, &[(mug, 2), (cup, 3)]).await;
    app.archive(cup).await;
    app.release(order_id).await;
    app.release(order_id).await;
    assert_eq!((app.stock_of(mug).await, app.stock_of(cup).await), (5, 5));
    let expected = [("initial", 5), ("reserved", -3), ("released", 3)];
    assert_eq!(app.movements(cup).await, expected.map(|(reason, delta)| (reason.to_owned(), delta)));

    let released = (Code::FailedPrecondition, "reservation_released".to_owned());
    assert_eq!(rejection(app.try_reserve(order_id, &[(mug, 1)]).await), released);
}

#[tokio::test]
async fn rejects_a_reservation_after_a_release() {
    let app = TestApp::start().await;
    let mug = app.create_with_stock(5).await;
    let order_id = Uuid::now_v7();
    app.release(order_id).await;
    let released = (Code::FailedPrecondition, "reservation_released".to_owned());
    assert_eq!(rejection(app.try_reserve(order_id, &[(mug, 1)]).await), released);
    assert_eq!(app.stock_of(mug).await, 5);
}

#[tokio::test]
async fn products_in_another_currency_cannot_be_reserved() {
    let app = TestApp::start().await;
    let mug = app.create_with_stock(5).await;
    sqlx::query("update catalog.products set currency = 'EUR'").execute(&app.db).await.unwrap();
    assert_eq!(insufficient(app.reserve(Uuid::now_v7(), &[(mug, 1)]).await)[0].available, 0);
    let repriced = UpdateProductRequest { price_minor: Some(7), ..update_request(mug) };
    assert_eq!(app.update(repriced).await.unwrap().currency, "USD");
    reserved(app.reserve(Uuid::now_v7(), &[(mug, 1)]).await);
}

#[tokio::test]
async fn the_ledger_is_append_only() {
    let app = TestApp::start().await;
    app.create_with_stock(5).await;
    for rewrite in [
        "update catalog.stock_movements set delta = 6",
        "delete from catalog.stock_movements",
        "truncate catalog.stock_movements",
    ] {
        let error = sqlx::query(rewrite).execute(&app.db).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}
