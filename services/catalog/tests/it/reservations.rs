//! Reservations of stock for orders, and the ledger.

use bodega_proto::catalog::v1::{
    CreateProductRequest, InsufficientStockLine, UpdateProductRequest, reserve_response::Outcome,
};
use tonic::Code;
use uuid::Uuid;

use crate::test_catalog::{TestCatalog, assert_invalid, product, rejection, update_request};

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
    let catalog = TestCatalog::start().await;
    let mug = catalog.create(CreateProductRequest { stock: 5, price_minor: 1999, ..product("Mug") }).await.id;
    let cup = catalog.create(CreateProductRequest { stock: 9, price_minor: 5, ..product("Cup") }).await.id;
    let order_id = Uuid::now_v7();
    let outcome = catalog.reserve(order_id, &[(cup, 2), (mug, 1), (cup, 3)]).await;
    let lines = vec![(mug, "Mug".to_owned(), 1999, 1), (cup, "Cup".to_owned(), 5, 5)];
    assert_eq!(reserved(outcome), (lines.clone(), "USD".to_owned()));
    assert_eq!((catalog.stock_of(mug).await, catalog.stock_of(cup).await), (4, 4));
    assert_eq!(catalog.movements(cup).await[1], ("reserved".to_owned(), -5));

    // A retry returns the first result, although the product has changed.
    let renamed =
        UpdateProductRequest { name: Some("New".to_owned()), price_minor: Some(1), ..update_request(mug) };
    catalog.update(renamed).await.unwrap();
    assert_eq!(reserved(catalog.reserve(order_id, &[(mug, 1)]).await), (lines, "USD".to_owned()));
    assert_eq!((catalog.stock_of(mug).await, catalog.stock_of(cup).await), (4, 4));
}

#[tokio::test]
async fn insufficient_stock_reserves_nothing_and_names_every_line() {
    let catalog = TestCatalog::start().await;
    let (enough, few, archived) =
        (catalog.stocked(9).await, catalog.stocked(1).await, catalog.stocked(9).await);
    catalog.archive(archived).await;
    let order_id = Uuid::now_v7();
    let lines = [(archived, 1), (99_999, 3), (few, 1), (enough, 9), (few, 1)];
    let expected = [(few, "Mug", 2, 1), (archived, "Mug", 1, 0), (99_999, "", 3, 0)];
    let expected = expected.map(|(product_id, name, requested, available)| InsufficientStockLine {
        product_id,
        name: name.to_owned(),
        requested,
        available,
    });
    assert_eq!(insufficient(catalog.reserve(order_id, &lines).await), expected);
    assert_eq!((catalog.stock_of(enough).await, catalog.stock_of(few).await), (9, 1));
    let left: i64 =
        sqlx::query_scalar("select count(*) from catalog.reservations").fetch_one(&catalog.db).await.unwrap();
    assert_eq!(left, 0);

    // The same order can retry once there is enough stock.
    catalog.update(UpdateProductRequest { stock: Some(2), ..update_request(few) }).await.unwrap();
    reserved(catalog.reserve(order_id, &[(few, 2)]).await);
    catalog.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn sums_of_lines_do_not_overflow() {
    let catalog = TestCatalog::start().await;
    let id = catalog.stocked(1_000_000_000).await;
    let lines = [(id, 1_000_000); 200];
    assert_eq!(reserved(catalog.reserve(Uuid::now_v7(), &lines).await).0[0].3, 200_000_000);
    assert_eq!(catalog.stock_of(id).await, 800_000_000);
}

#[tokio::test]
async fn rejects_invalid_lines() {
    let catalog = TestCatalog::start().await;
    let order_id = Uuid::now_v7();
    assert_invalid(catalog.try_reserve(order_id, &[]).await, &["lines"]);
    assert_invalid(catalog.try_reserve(order_id, &[(1, 1); 201]).await, &["lines"]);
    let outcome = catalog.try_reserve(order_id, &[(1, 0), (1, 1), (1, 1_000_001)]).await;
    assert_invalid(outcome, &["lines[0].quantity", "lines[2].quantity"]);
}

#[tokio::test]
async fn a_release_returns_stock_once_and_to_archived_products() {
    let catalog = TestCatalog::start().await;
    let (mug, cup) = (catalog.stocked(5).await, catalog.stocked(5).await);
    let order_id = Uuid::now_v7();
    catalog.reserve(order_id, &[(mug, 2), (cup, 3)]).await;
    catalog.archive(cup).await;
    catalog.release(order_id).await;
    catalog.release(order_id).await;
    assert_eq!((catalog.stock_of(mug).await, catalog.stock_of(cup).await), (5, 5));
    let expected = [("initial", 5), ("reserved", -3), ("released", 3)];
    assert_eq!(catalog.movements(cup).await, expected.map(|(reason, delta)| (reason.to_owned(), delta)));

    let released = (Code::FailedPrecondition, "reservation_released".to_owned());
    assert_eq!(rejection(catalog.try_reserve(order_id, &[(mug, 1)]).await), released);
}

#[tokio::test]
async fn rejects_a_reservation_after_a_release() {
    let catalog = TestCatalog::start().await;
    let mug = catalog.stocked(5).await;
    let order_id = Uuid::now_v7();
    catalog.release(order_id).await;
    let released = (Code::FailedPrecondition, "reservation_released".to_owned());
    assert_eq!(rejection(catalog.try_reserve(order_id, &[(mug, 1)]).await), released);
    assert_eq!(catalog.stock_of(mug).await, 5);
}

#[tokio::test]
async fn products_in_another_currency_cannot_be_reserved() {
    let catalog = TestCatalog::start().await;
    let mug = catalog.stocked(5).await;
    sqlx::query("update catalog.products set currency = 'EUR'").execute(&catalog.db).await.unwrap();
    assert_eq!(insufficient(catalog.reserve(Uuid::now_v7(), &[(mug, 1)]).await)[0].available, 0);
    let repriced = UpdateProductRequest { price_minor: Some(7), ..update_request(mug) };
    assert_eq!(catalog.update(repriced).await.unwrap().currency, "USD");
    reserved(catalog.reserve(Uuid::now_v7(), &[(mug, 1)]).await);
}

#[tokio::test]
async fn the_ledger_is_append_only() {
    let catalog = TestCatalog::start().await;
    catalog.stocked(5).await;
    for rewrite in [
        "update catalog.stock_movements set delta = 6",
        "delete from catalog.stock_movements",
        "truncate catalog.stock_movements",
    ] {
        let error = sqlx::query(rewrite).execute(&catalog.db).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}
