//! What a call may cost: the table in the crate's documentation, counted.

use std::fmt;

use bodega_embedded_postgres::testing::statements::count;
use uuid::Uuid;

use crate::shop::{Shop, Shopper};

/// Calls of the catalog, and SQL statements.
async fn cost<T: fmt::Debug>(
    shop: &Shop,
    call: impl Future<Output = Result<T, tonic::Status>>,
) -> (usize, usize) {
    shop.catalog.take_calls();
    let (answer, statements) = count(call).await;
    answer.unwrap();
    (shop.catalog.take_calls(), statements)
}

async fn fill(shopper: &Shopper) {
    for product_id in 1..=60 {
        shopper.add(product_id, 1).await.unwrap();
    }
}

#[tokio::test]
async fn no_call_costs_more_than_the_budget_however_many_lines_there_are() {
    let shop = Shop::open().await;
    let shop = &shop;
    let user = shop.user();

    assert_eq!(cost(shop, user.get()).await, (0, 1), "an empty cart");
    assert_eq!(cost(shop, user.add(1, 1)).await, (1, 3), "the first add");
    fill(&user).await;
    assert_eq!(cost(shop, user.get()).await, (1, 1));
    assert_eq!(cost(shop, user.add(61, 1)).await, (1, 3));
    assert_eq!(cost(shop, user.add(1, 1)).await, (1, 3));
    assert_eq!(cost(shop, user.set(1, 5)).await, (1, 3));
    assert_eq!(cost(shop, user.set(1, 0)).await, (1, 3));
    assert_eq!(cost(shop, user.remove(2)).await, (1, 3));
    assert_eq!(cost(shop, async { Ok(shop.snapshot(&user).await) }).await, (0, 1));
    let ordered = [(3, 1), (4, 1), (5, 1)];
    let order_id = Uuid::now_v7();
    let clear = async || {
        shop.clear_ordered(order_id, &user, &ordered).await;
        Ok(())
    };
    assert_eq!(cost(shop, clear()).await, (0, 3));
    assert_eq!(cost(shop, clear()).await, (0, 1));

    assert_eq!(cost(shop, shop.guest("").add(1, 1)).await, (1, 2), "a guest's first add");
    let guest = shop.guest_with(1, 1).await;
    fill(&guest).await;
    assert_eq!(cost(shop, guest.get()).await, (1, 1));
    assert_eq!(cost(shop, guest.add(1, 1)).await, (1, 3));
    assert_eq!(cost(shop, user.merge(&guest.guest_token)).await, (0, 4));
    assert_eq!(cost(shop, user.merge(&guest.guest_token)).await, (0, 1));
    assert_eq!(cost(shop, user.clear()).await, (0, 2));
}
