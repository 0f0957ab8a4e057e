//! Stock for orders, and its ledger.

use bodega_proto::catalog::v1::{
    CreateProductRequest, InsufficientStockLine, UpdateProductRequest, reserve_response::Outcome,
};
use tonic::Code;
use uuid::Uuid;

use crate::test_catalog::{Shop, assert_invalid, changes, product, refusal};

fn short(outcome: Outcome) -> Vec<InsufficientStockLine> {
    match outcome {
        Outcome::InsufficientStock(short) => short.lines,
        Outcome::Reserved(reserved) => panic!("{reserved:?}"),
    }
}

/// What an order got: product, name, price and quantity of each line, and the currency.
fn reserved(outcome: Outcome) -> (Vec<(i32, String, i64, i32)>, String) {
    match outcome {
        Outcome::Reserved(reserved) => {
            let lines = reserved.lines.into_iter();
            let lines = lines.map(|line| (line.product_id, line.name, line.price_minor, line.quantity));
            (lines.collect(), reserved.currency)
        }
        Outcome::InsufficientStock(short) => panic!("{short:?}"),
    }
}

#[tokio::test]
async fn an_order_gets_all_its_lines_at_the_names_and_prices_of_the_moment() {
    let shop = Shop::open().await;
    let mug = shop.create(CreateProductRequest { stock: 5, price_minor: 1999, ..product("Mug") }).await.id;
    let cup = shop.create(CreateProductRequest { stock: 9, price_minor: 5, ..product("Cup") }).await.id;
    let order_id = Uuid::now_v7();
    let outcome = shop.reserve(order_id, &[(cup, 2), (mug, 1), (cup, 3)]).await;
    let lines = vec![(mug, "Mug".to_owned(), 1999, 1), (cup, "Cup".to_owned(), 5, 5)];
    assert_eq!(reserved(outcome), (lines.clone(), "USD".to_owned()));
    assert_eq!((shop.stock_of(mug).await, shop.stock_of(cup).await), (4, 4));
    assert_eq!(shop.movements(cup).await[1], ("reserved".to_owned(), -5));

    // Once more, of what is not the same any more.
    let renamed = UpdateProductRequest { name: Some("New".to_owned()), price_minor: Some(1), ..changes(mug) };
    shop.update(renamed).await.unwrap();
    assert_eq!(reserved(shop.reserve(order_id, &[(mug, 1)]).await), (lines, "USD".to_owned()));
    assert_eq!((shop.stock_of(mug).await, shop.stock_of(cup).await), (4, 4));
}

#[tokio::test]
async fn an_order_that_is_short_gets_nothing_and_learns_of_every_line() {
    let shop = Shop::open().await;
    let (enough, few, gone) = (shop.stocked(9).await, shop.stocked(1).await, shop.stocked(9).await);
    shop.archive(gone).await;
    let order_id = Uuid::now_v7();
    let wanted = [(gone, 1), (99_999, 3), (few, 1), (enough, 9), (few, 1)];
    let expected = [(few, "Mug", 2, 1), (gone, "Mug", 1, 0), (99_999, "", 3, 0)];
    let expected = expected.map(|(product_id, name, requested, available)| InsufficientStockLine {
        product_id,
        name: name.to_owned(),
        requested,
        available,
    });
    assert_eq!(short(shop.reserve(order_id, &wanted).await), expected);
    assert_eq!((shop.stock_of(enough).await, shop.stock_of(few).await), (9, 1));
    let left: i64 =
        sqlx::query_scalar("select count(*) from catalog.reservations").fetch_one(&shop.db).await.unwrap();
    assert_eq!(left, 0);

    // The same order may try again once there is enough.
    shop.update(UpdateProductRequest { stock: Some(2), ..changes(few) }).await.unwrap();
    reserved(shop.reserve(order_id, &[(few, 2)]).await);
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn sums_of_lines_do_not_overflow() {
    let shop = Shop::open().await;
    let id = shop.stocked(1_000_000_000).await;
    let lines = [(id, 1_000_000); 200];
    assert_eq!(reserved(shop.reserve(Uuid::now_v7(), &lines).await).0[0].3, 200_000_000);
    assert_eq!(shop.stock_of(id).await, 800_000_000);
}

#[tokio::test]
async fn what_cannot_be_reserved_is_refused() {
    let shop = Shop::open().await;
    let order_id = Uuid::now_v7();
    assert_invalid(shop.try_reserve(order_id, &[]).await, &["lines"]);
    assert_invalid(shop.try_reserve(order_id, &[(1, 1); 201]).await, &["lines"]);
    let outcome = shop.try_reserve(order_id, &[(1, 0), (1, 1), (1, 1_000_001)]).await;
    assert_invalid(outcome, &["lines[0].quantity", "lines[2].quantity"]);
}

#[tokio::test]
async fn stock_comes_back_once_to_archived_products_too() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.stocked(5).await, shop.stocked(5).await);
    let order_id = Uuid::now_v7();
    shop.reserve(order_id, &[(mug, 2), (cup, 3)]).await;
    shop.archive(cup).await;
    shop.release(order_id).await;
    shop.release(order_id).await;
    assert_eq!((shop.stock_of(mug).await, shop.stock_of(cup).await), (5, 5));
    let expected = [("initial", 5), ("reserved", -3), ("released", 3)];
    assert_eq!(shop.movements(cup).await, expected.map(|(reason, delta)| (reason.to_owned(), delta)));

    let released = (Code::FailedPrecondition, "reservation_released".to_owned());
    assert_eq!(refusal(shop.try_reserve(order_id, &[(mug, 1)]).await), released);
}

#[tokio::test]
async fn an_order_released_before_it_was_seen_gets_nothing_any_more() {
    let shop = Shop::open().await;
    let mug = shop.stocked(5).await;
    let order_id = Uuid::now_v7();
    shop.release(order_id).await;
    let released = (Code::FailedPrecondition, "reservation_released".to_owned());
    assert_eq!(refusal(shop.try_reserve(order_id, &[(mug, 1)]).await), released);
    assert_eq!(shop.stock_of(mug).await, 5);
}

#[tokio::test]
async fn what_is_priced_in_another_currency_cannot_be_had() {
    let shop = Shop::open().await;
    let mug = shop.stocked(5).await;
    sqlx::query("update catalog.products set currency = 'EUR'").execute(&shop.db).await.unwrap();
    assert_eq!(short(shop.reserve(Uuid::now_v7(), &[(mug, 1)]).await)[0].available, 0);
    let repriced = UpdateProductRequest { price_minor: Some(7), ..changes(mug) };
    assert_eq!(shop.update(repriced).await.unwrap().currency, "USD");
    reserved(shop.reserve(Uuid::now_v7(), &[(mug, 1)]).await);
}

#[tokio::test]
async fn the_ledger_cannot_be_rewritten() {
    let shop = Shop::open().await;
    shop.stocked(5).await;
    for rewrite in [
        "update catalog.stock_movements set delta = 6",
        "delete from catalog.stock_movements",
        "truncate catalog.stock_movements",
    ] {
        let cause = sqlx::query(rewrite).execute(&shop.db).await.unwrap_err();
        assert!(cause.to_string().contains("append-only"), "{cause}");
    }
}
