//! Many at once.

use std::{collections::BTreeSet, time::Duration};

use bodega_proto::order::v1::{Order, OrderStatus};
use futures_util::future::join_all;
use tonic::{Code, Status};

use crate::{
    faults::Fault,
    shop::{HAT, MUG, MUG_PRICE, PEN, PEN_PRICE, Shop, id, lines, refused},
};

fn ids(answers: &[Result<Order, Status>]) -> BTreeSet<String> {
    answers.iter().flatten().map(|order| order.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cart_submitted_forty_times_under_different_keys_is_one_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 2)]);
    let keys: Vec<_> = (0..40).map(|n| format!("key {n}")).collect();
    let answers = join_all(keys.iter().map(|key| shop.place(user, key))).await;

    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(ids(&answers).len(), 1);
    assert_eq!(shop.orders_of(user).await, 1);
    assert_eq!(shop.catalog.left(MUG), 998);
    shop.assert_sound().await;
    let first = answers[0].as_ref().unwrap();
    for key in keys {
        assert_eq!(shop.place(user, &key).await.unwrap(), *first, "each key stands for the order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_saw_the_same_cart_get_the_same_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    // So slow that every one has read the cart before the first can order it.
    shop.cart.faults().always("GetSnapshot", Fault::SlowReply(Duration::from_millis(500)));
    let answers = join_all((0..8).map(|_| shop.place(user, ""))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(ids(&answers).len(), 1);
    shop.assert_sound().await;
}

#[tokio::test]
async fn who_finds_the_cart_emptied_by_an_order_of_the_same_moment_gets_that_order() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().once("GetSnapshot", Fault::Slow(Duration::from_millis(500)));
    let late = shop.place(user, "late");
    let first = async {
        shop.cart.faults().all_met("GetSnapshot").await;
        shop.place(user, "first").await
    };
    let (late, first) = tokio::join!(late, first);
    assert_eq!(late.unwrap(), first.unwrap());
    assert_eq!(refused(shop.place(user, "later").await), "empty_cart");
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_submitted_twenty_times_has_one_answer() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    let answers = join_all((0..20).map(|_| shop.place(user, "key"))).await;
    let first = answers[0].as_ref().unwrap();
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap(), first);
    }
    assert_eq!(shop.catalog.calls().0, 1, "nobody stampedes the catalog");
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_that_is_refused_is_refused_to_all_alike() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(HAT, 1)]);
    for answer in join_all((0..20).map(|_| shop.place(user, "key"))).await {
        assert_eq!(refused(answer), "out_of_stock");
    }
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_with_different_requests_at_once_stands_for_one_of_them() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    let answers = join_all((0..20).map(|n| {
        let expected = if n % 2 == 0 { MUG_PRICE } else { MUG_PRICE + 1 };
        shop.place_at(user, "key", expected)
    }));
    let answers = answers.await;
    let reasons: BTreeSet<_> =
        answers.iter().filter(|answer| answer.is_err()).cloned().map(refused).collect();
    let placed = ids(&answers).len();
    match placed {
        1 => assert_eq!(reasons, ["idempotency_key_reused".to_owned()].into()),
        _ => assert_eq!(reasons, ["idempotency_key_reused".to_owned(), "price_changed".to_owned()].into()),
    }
    assert!(placed <= 1);
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_never_refused_for_what_another_request_expected() {
    let shop = Shop::open().await;
    for _ in 0..10 {
        let user = shop.shopper(&[(MUG, 1)]);
        let (wrong, right) = tokio::join!(shop.place_at(user, "a", 1), shop.place_at(user, "b", MUG_PRICE));
        let right = right.map(|order| order.total_minor);
        assert!(matches!(right, Ok(MUG_PRICE)), "{right:?}");
        if let Err(status) = wrong {
            let reason = bodega_runtime::status::reason(&status);
            assert!(["price_changed", "empty_cart"].contains(&reason.as_str()), "{reason}");
        }
        assert_eq!(shop.orders_of(user).await, 1);
    }
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_that_grows_while_it_is_submitted_is_ordered_in_parts_that_do_not_overlap() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    let calls = (0..30).map(|n| {
        let shop = &shop;
        async move {
            tokio::time::sleep(Duration::from_millis(n * 2)).await;
            shop.put(user, &[(PEN, 1), (MUG, 1)]);
            shop.place(user, "").await
        }
    });
    for answer in join_all(calls).await {
        assert!(answer.is_ok() || refused(answer.clone()) == "empty_cart", "{answer:?}");
    }
    // What each cart was is accounted for line by line.
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_read_before_another_order_took_its_lines_is_read_again() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1)]);
    shop.cart.faults().once("GetSnapshot", Fault::SlowReply(Duration::from_millis(300)));
    let first = shop.place(user, "first");
    let second = async {
        // Reads the cart with a mug and a pen, and comes to order it when the mug is ordered, over and done with.
        shop.cart.faults().all_met("GetSnapshot").await;
        shop.put(user, &[(PEN, 1)]);
        shop.cart.faults().once("GetSnapshot", Fault::SlowReply(Duration::from_millis(1200)));
        shop.place(user, "second").await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(lines(&first.unwrap()), [(MUG, 1)]);
    assert_eq!(lines(&second.unwrap()), [(PEN, 1)]);
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_buyers_of_fifty_units_get_fifty_orders() {
    let shop = Shop::open().await;
    shop.catalog.stock(HAT, "Hat", 3000, 50);
    let buyers: Vec<_> = (0..200).map(|_| shop.shopper(&[(HAT, 1)])).collect();
    let answers = join_all(buyers.iter().map(|user| shop.place(*user, ""))).await;
    assert_eq!(ids(&answers).len(), 50);
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refused(answer), "out_of_stock");
    }
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_fifty_times_gives_its_stock_back_once() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 2)]).await;
    let user = order.user_id.parse().unwrap();
    let answers = join_all((0..50).map(|_| shop.cancel(user, &order.id))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.into_iter().filter(Result::is_err) {
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(status.message(), "a cancelled order cannot become cancelled");
    }
    assert_eq!(shop.catalog.gave_back(id(&order)), 1);
    assert_eq!(shop.catalog.left(MUG), 1000);
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_cancelling_and_shipping_at_once_one_wins() {
    let shop = Shop::open().await;
    for _ in 0..20 {
        let order = shop.order(&[(MUG, 1), (PEN, 1)]).await;
        assert_eq!(order.total_minor, MUG_PRICE + PEN_PRICE);
        shop.change(&order.id, OrderStatus::Confirmed).await.unwrap();
        let user = order.user_id.parse().unwrap();
        let (cancelled, shipped) =
            tokio::join!(shop.cancel(user, &order.id), shop.change(&order.id, OrderStatus::Shipped));
        match (cancelled, shipped) {
            (Ok(_), Err(lost)) => assert_eq!(lost.message(), "a cancelled order cannot become shipped"),
            (Err(lost), Ok(_)) => assert_eq!(lost.message(), "a shipped order cannot become cancelled"),
            both => panic!("{both:?}"),
        }
    }
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_once_however_many_admins_see_the_money() {
    let shop = Shop::open().await;
    let order = shop.order(&[(MUG, 1)]).await;
    let answers = join_all((0..20).map(|_| shop.change(&order.id, OrderStatus::Paid))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(answer.unwrap_err().message(), "a paid order cannot become paid");
    }
    shop.assert_sound().await;
}
