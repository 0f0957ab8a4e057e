//! Neighbours that fail, and what is done once they are back.

use std::time::Duration;

use bodega_proto::order::v1::OrderStatus;
use tonic::Code;

use crate::{
    faults::Fault,
    shop::{HAT, MUG, MUG_PRICE, PEN, Shop, lines, refused},
};

#[tokio::test]
async fn without_a_cart_nothing_is_ordered_and_nothing_is_left_behind() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().always("GetSnapshot", Fault::Down);
    assert_eq!(shop.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    shop.cart.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.orders_of(user).await, 0);
    shop.place(user, "key").await.unwrap();
}

#[tokio::test]
async fn what_was_asked_for_while_the_catalog_was_down_is_ordered_when_it_is_back() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().always("Reserve", Fault::Down);
    assert_eq!(shop.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    shop.catalog.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.orders_of(user).await, 1);
    let order = shop.place(user, "key").await.unwrap();
    assert_eq!(order.status(), OrderStatus::Pending);
    assert_eq!(shop.catalog.left(MUG), 999);
}

#[tokio::test]
async fn the_same_call_settles_what_the_first_could_not() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().once("Reserve", Fault::ReplyLost);
    assert_eq!(shop.place(user, "").await.unwrap_err().code(), Code::Unavailable);
    // No key: the cart's version says that it is the same.
    let order = shop.place(user, "").await.unwrap();
    assert_eq!(lines(&order), [(MUG, 1)]);
    assert_eq!(shop.orders_of(user).await, 1);
    assert_eq!(shop.catalog.left(MUG), 999);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_short_attempt_that_was_tried_twice_holds_nothing() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(HAT, 1)]);
    // The first call for stock is under way until after the second was answered, and the hats came in between.
    shop.catalog.faults().once("Reserve", Fault::Late(Duration::from_secs(2)));
    assert_eq!(shop.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(refused(shop.place(user, "key").await), "out_of_stock");
    shop.catalog.stock(HAT, "Hat", 3000, 1);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(shop.catalog.left(HAT), 1);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_changed_price_is_refused_also_when_nobody_hears_of_the_release() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    for fault in [Fault::Down, Fault::ReplyLost, Fault::Slow(Duration::from_secs(2))] {
        shop.catalog.faults().once("Release", fault);
        assert_eq!(refused(shop.place_at(user, "", MUG_PRICE + 1).await), "price_changed");
        shop.assert_sound().await;
        assert_eq!(shop.catalog.left(MUG), 1000);
    }
}

#[tokio::test]
async fn an_order_is_placed_though_the_cart_cannot_be_cleared_yet() {
    let shop = Shop::open().await;
    for fault in
        [Fault::Down, Fault::ReplyLost, Fault::Slow(Duration::from_secs(2)), Fault::Refused(Code::Internal)]
    {
        let user = shop.shopper(&[(MUG, 1)]);
        shop.cart.faults().once("ClearOrdered", fault);
        let order = shop.place(user, "").await.unwrap();
        assert_eq!(order.status(), OrderStatus::Pending);
        shop.put(user, &[(MUG, 2), (PEN, 1)]);
        shop.assert_sound().await;
        assert_eq!(shop.cart.holds(user), [(MUG, 2), (PEN, 1)].into(), "what came since stays");
    }
}

#[tokio::test]
async fn the_same_cart_is_the_same_order_while_it_cannot_be_cleared() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().always("ClearOrdered", Fault::Down);
    let first = shop.place(user, "one").await.unwrap();
    let second = shop.place(user, "two").await.unwrap();
    assert_eq!(first, second);
    shop.cart.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.place(user, "two").await.unwrap().id, first.id, "the second key stands for it too");
}

#[tokio::test]
async fn lines_of_an_order_whose_cart_is_not_cleared_yet_are_not_ordered_again() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().always("ClearOrdered", Fault::Down);
    shop.place(user, "").await.unwrap();
    shop.put(user, &[(MUG, 1), (PEN, 1)]);
    let status = shop.place(user, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "not before the cart has let go of the first order's mug");
    shop.cart.faults().mend();
    let second = shop.place(user, "").await.unwrap();
    assert_eq!(lines(&second), [(MUG, 1), (PEN, 1)]);
    assert_eq!(shop.catalog.left(MUG), 998);
    shop.assert_sound().await;
}

#[tokio::test]
async fn an_attempt_under_way_is_ended_before_the_grown_cart_is_ordered() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().once("Reserve", Fault::Down);
    shop.place(user, "one").await.unwrap_err();
    shop.put(user, &[(PEN, 1)]);
    let second = shop.place(user, "two").await.unwrap();
    assert_eq!(lines(&second), [(PEN, 1)]);
    assert_eq!(lines(&shop.place(user, "one").await.unwrap()), [(MUG, 1)]);
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_a_refused_attempt_still_holds_goes_back_before_the_next_asks_for_it() {
    let shop = Shop::open().await;
    shop.catalog.stock(HAT, "Hat", 3000, 1);
    let user = shop.shopper(&[(HAT, 1)]);
    shop.catalog.faults().once("Release", Fault::Down);
    assert_eq!(refused(shop.place_at(user, "", 1).await), "price_changed");
    assert_eq!(shop.catalog.left(HAT), 0);
    shop.place_at(user, "", 3000).await.unwrap();
    shop.assert_sound().await;
}

#[tokio::test]
async fn faults_of_the_catalog_are_given_some_chances_and_then_the_attempt_is_withdrawn() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().once("Reserve", Fault::Refused(Code::Internal));
    let status = shop.place(user, "one").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    shop.assert_sound().await;
    shop.place(user, "one").await.unwrap();

    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().always("Reserve", Fault::Refused(Code::Internal));
    shop.place(user, "two").await.unwrap_err();
    // Longer than an outage may last: this one does not pass.
    tokio::time::timeout(Duration::from_secs(20), async {
        while shop.catalog.calls().1 == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(refused(shop.place(user, "two").await), "order_withdrawn");
    shop.catalog.faults().mend();
    shop.assert_sound().await;
    assert_eq!(shop.orders_of(user).await, 0);
}

#[tokio::test]
async fn an_attempt_that_nobody_can_be_waiting_for_any_more_is_undone() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().always("Reserve", Fault::ReplyLost);
    shop.place(user, "key").await.unwrap_err();
    assert_eq!(shop.catalog.left(MUG), 999);
    sqlx::query("update orders.orders set created_at = now() - interval '16 minutes'")
        .execute(&shop.db)
        .await
        .unwrap();
    shop.assert_sound().await;
    assert_eq!(shop.orders_of(user).await, 0);
    assert_eq!(shop.catalog.left(MUG), 1000);
    assert_eq!(refused(shop.place(user, "key").await), "order_withdrawn");
    shop.catalog.faults().mend();
    shop.place(user, "").await.unwrap();
}

#[tokio::test]
async fn a_call_during_an_outage_fails_fast_instead_of_waiting_for_the_loop() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.catalog.faults().always("Reserve", Fault::Down);
    let started = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(shop.place(user, "key").await.unwrap_err().code(), Code::Unavailable);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    shop.catalog.faults().mend();
    shop.place(user, "key").await.unwrap();
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_database_that_goes_away_under_a_call_is_an_outage_and_no_fault() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let mut transaction = shop.db.begin().await.unwrap();
    sqlx::query("select from orders.orders for update").execute(&mut *transaction).await.unwrap();
    let end = async {
        let query = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                     where application_name = 'bodega-order' and datname = current_database()
                       and wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(query).fetch_one(&shop.db).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (answer, ()) = tokio::join!(shop.change(&order.id, OrderStatus::Confirmed), end);
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    transaction.rollback().await.unwrap();
    shop.change(&order.id, OrderStatus::Confirmed).await.unwrap();
}

#[tokio::test]
async fn what_a_neighbour_refuses_to_be_told_is_set_aside_and_holds_up_no_other_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().always("ClearOrdered", Fault::Refused(Code::InvalidArgument));
    let first = shop.place(user, "one").await.unwrap();
    let (_, told) = shop.cart.calls();
    shop.put(user, &[(PEN, 1)]);
    let second = shop.place(user, "two").await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(shop.place(user, "one").await.unwrap().id, first.id);

    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(shop.cart.calls().1, told, "nobody tells it again");
    let kept: Vec<(String, bool)> = sqlx::query_as("select kind, rejection is not null from orders.outbox")
        .fetch_all(&shop.db)
        .await
        .unwrap();
    assert_eq!(kept, vec![("clear_cart".to_owned(), true); 2], "a person is to look at it");
}
