//! What a call costs the database.

use std::fmt::Debug;

use bodega_postgres::testing::statements::count;
use bodega_proto::order::v1::{ListOrdersRequest, OrderStatus};

use crate::shop::{HAT, MUG, MUG_PRICE, PEN, Shop, refused};

/// What `call` answers, for no more than `most` statements.
async fn within<T: Debug>(most: usize, call: impl Future<Output = T>) -> T {
    let (answer, statements) = count(call).await;
    assert!((1..=most).contains(&statements), "{statements} statements, and not {most}, for {answer:?}");
    answer
}

#[tokio::test]
async fn each_call_keeps_to_its_number_of_statements() {
    let shop = Shop::open().await;
    let user = shop.shopper(&[(MUG, 1), (PEN, 2)]);
    let order = within(6, shop.place(user, "key")).await.unwrap();
    within(3, shop.place(user, "key")).await.unwrap();
    shop.put(user, &[(MUG, 1)]);
    within(5, shop.place(user, "")).await.unwrap();

    within(1, shop.get(&order.id)).await;
    within(1, shop.client(user).list_orders(ListOrdersRequest::default())).await.unwrap();
    within(2, shop.change(&order.id, OrderStatus::Paid)).await.unwrap();
    within(4, shop.cancel(user, &order.id)).await.unwrap();

    shop.put(user, &[(MUG, 1)]);
    assert_eq!(refused(within(4, shop.place_at(user, "", MUG_PRICE + 1)).await), "price_changed");
    shop.put(user, &[(HAT, 1)]);
    assert_eq!(refused(within(3, shop.place(user, "")).await), "out_of_stock");
}
