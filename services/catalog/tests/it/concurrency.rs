//! Many at once.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteCategoryRequest, UpdateCategoryRequest, UpdateProductRequest,
    reserve_response::Outcome,
};
use futures_util::future::join_all;
use tonic::Code;
use uuid::Uuid;

use crate::test_catalog::{Shop, by_id, by_name, changes, product};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_buyers_get_what_there_is_and_no_more() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.stocked(50).await, shop.stocked(50).await);
    let outcomes = join_all((0..200).map(|buyer| {
        let lines = if buyer % 2 == 0 { [(mug, 1), (cup, 1)] } else { [(cup, 1), (mug, 1)] };
        let shop = &shop;
        async move { shop.try_reserve(Uuid::now_v7(), &lines).await.unwrap() }
    }))
    .await;
    let served = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Reserved(_))).count();
    assert_eq!(served, 50);
    assert_eq!((shop.stock_of(mug).await, shop.stock_of(cup).await), (0, 0));
    shop.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_asks_twenty_times_at_once_gets_its_stock_once() {
    let shop = Shop::open().await;
    let mug = shop.stocked(50).await;
    let order_id = Uuid::now_v7();
    let lines = [(mug, 3)];
    let outcomes = join_all((0..20).map(|_| shop.reserve(order_id, &lines))).await;
    assert!(outcomes.iter().all(|outcome| outcome == &outcomes[0]), "{outcomes:?}");
    assert!(matches!(outcomes[0], Outcome::Reserved(_)));
    assert_eq!(shop.stock_of(mug).await, 47);

    join_all((0..20).map(|_| shop.release(order_id))).await;
    assert_eq!(shop.stock_of(mug).await, 50);
    assert_eq!(shop.movements(mug).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_and_its_release_at_once_leave_no_stock_taken() {
    let shop = Shop::open().await;
    let mug = shop.stocked(50).await;
    let lines = [(mug, 1)];
    join_all((0..40).map(|_| {
        let (shop, lines, order_id) = (&shop, &lines, Uuid::now_v7());
        async move {
            let (outcome, ()) = tokio::join!(shop.try_reserve(order_id, lines), shop.release(order_id));
            if let Err(refused) = outcome {
                assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
            }
        }
    }))
    .await;
    assert_eq!(shop.stock_of(mug).await, 50);
    shop.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_set_while_orders_come_and_go_stays_what_the_ledger_says() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.stocked(100).await, shop.stocked(100).await);
    let orders = join_all((0..60).map(|_| {
        let (shop, order_id) = (&shop, Uuid::now_v7());
        async move {
            shop.reserve(order_id, &[(cup, 1), (mug, 2)]).await;
            if order_id.as_u128().is_multiple_of(2) {
                shop.release(order_id).await;
            }
        }
    }));
    let edits = join_all((0..30).map(|edit| {
        let shop = &shop;
        async move {
            let id = if edit % 2 == 0 { mug } else { cup };
            let set = UpdateProductRequest { stock: Some(50 + edit), ..changes(id) };
            shop.update(set).await.unwrap();
        }
    }));
    tokio::join!(orders, edits);
    shop.assert_ledger_adds_up().await;
    assert!(shop.movements(mug).await.iter().any(|(reason, _)| reason == "adjusted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn renames_and_deletes_of_a_category_get_along_with_orders_and_edits() {
    let shop = Shop::open().await;
    let category = shop.category("Kitchen").await;
    let mut products = Vec::new();
    for _ in 0..10 {
        let wanted = CreateProductRequest { stock: 100, category: Some(by_id(category)), ..product("Mug") };
        products.push(shop.create(wanted).await.id);
    }
    let orders = join_all((0..40).map(|order| {
        let (shop, products) = (&shop, &products);
        async move {
            let lines: Vec<_> = products.iter().rev().skip(order % 5).map(|id| (*id, 1)).collect();
            shop.reserve(Uuid::now_v7(), &lines).await;
        }
    }));
    let edits = join_all(products.iter().map(|&id| {
        let shop = &shop;
        async move {
            let moved = UpdateProductRequest { category: Some(by_name("Else")), ..changes(id) };
            shop.update(moved).await.unwrap();
        }
    }));
    let renames = async {
        let mut admin = shop.admin();
        for number in 0..10 {
            let name = format!("Kitchen {number}");
            admin.update_category(UpdateCategoryRequest { id: category, name }).await.unwrap();
        }
        admin.delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    };
    tokio::join!(orders, edits, renames);
    for product in shop.batch(&products).await {
        assert_eq!(product.category.unwrap().name, "Else");
    }
    shop.assert_ledger_adds_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_that_many_products_name_at_once_is_made_once() {
    let shop = Shop::open().await;
    let made = join_all((0..20).map(|number| {
        let name = if number % 2 == 0 { "Kitchen" } else { "KITCHEN" };
        shop.create(CreateProductRequest { category: Some(by_name(name)), ..product("Mug") })
    }))
    .await;
    let first = made[0].category.clone().unwrap().id;
    assert!(made.iter().all(|product| product.category.as_ref().unwrap().id == first));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_edits_of_one_version_one_wins() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let outcomes = join_all((0..20).map(|number| {
        let name = Some(format!("Mug {number}"));
        shop.update(UpdateProductRequest { name, expected_version: Some(1), ..changes(id) })
    }))
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .filter_map(|outcome| outcome.as_ref().err())
            .all(|cause| cause.code() == Code::Aborted)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_a_deadlock_undid_is_made_again() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.stocked(5).await, shop.stocked(5).await);
    let order_id = Uuid::now_v7();
    let lines = [(mug, 1), (cup, 1)];
    let lock = "select from catalog.products where id = $1 for update";

    // Somebody else locks the other way round, and is patient: the reservation is undone, not this.
    let mut rude = shop.db.begin().await.unwrap();
    sqlx::query("set local deadlock_timeout = '1min'").execute(&mut *rude).await.unwrap();
    sqlx::query(lock).bind(cup).execute(&mut *rude).await.unwrap();
    let intruder = async {
        while !is_waiting(&shop).await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        sqlx::query(lock).bind(mug).execute(&mut *rude).await.unwrap();
        rude.rollback().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(shop.try_reserve(order_id, &lines), intruder);
    assert!(matches!(outcome.unwrap(), Outcome::Reserved(_)));
    assert_eq!((shop.stock_of(mug).await, shop.stock_of(cup).await), (4, 4));
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
            .fetch_one(&shop.db)
            .await
            .unwrap();
    assert!(deadlocks > 0);
}

/// Whether somebody in this database waits for a lock.
async fn is_waiting(shop: &Shop) -> bool {
    let waiting = "select exists (
                       select from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'
                   )";
    sqlx::query_scalar(waiting).fetch_one(&shop.db).await.unwrap()
}
