//! What a call costs the database.

use std::fmt::Debug;

use bodega_embedded_postgres::testing::statements::count;
use bodega_proto::order::v1::{ListOrdersRequest, OrderStatus};
use bodega_stripe_double::Card;

use crate::{
    card::CardShop,
    shop::{HAT, MUG, MUG_PRICE, PEN, Shop, refused},
};

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
    within(5, shop.change(&order.id, OrderStatus::Paid)).await.unwrap();
    // With its refund: the books are read, and written twice.
    within(13, shop.cancel(user, &order.id)).await.unwrap();

    shop.put(user, &[(MUG, 1)]);
    assert_eq!(refused(within(4, shop.place_at(user, "", MUG_PRICE + 1)).await), "price_changed");
    shop.put(user, &[(HAT, 1)]);
    assert_eq!(refused(within(3, shop.place(user, "")).await), "out_of_stock");
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let mut shop = CardShop::open().await;
    // Tables are small here: they would be read as a whole even where an index could do.
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&shop.shop.db).await.unwrap();
    let alter = format!(r#"alter database "{name}" set enable_seqscan = off"#);
    sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&shop.shop.db).await.unwrap();
    shop.shop.restart().await;
    sqlx::query("select pg_stat_reset()").execute(&shop.shop.db).await.unwrap();

    let paid = shop.paid_order().await;
    shop.shop.cancel(paid.user_id.parse().unwrap(), &paid.id).await.unwrap();
    let declined = shop.shop.order(&[(MUG, 1)]).await;
    let intent = shop.pay(&declined).await.unwrap();
    shop.stripe.confirm(&intent.client_secret, Card::Declined).await.unwrap();
    shop.stripe.delivered().await;
    shop.pay(&declined).await.unwrap();
    let client = shop.shop.client(declined.user_id.parse().unwrap());
    { client }.list_orders(ListOrdersRequest::default()).await.unwrap();
    shop.shop.restart().await; // what has been counted is told at the end of a connection

    let scanned: Vec<(String, i64)> = sqlx::query_as(
        "select relname::text, seq_scan from pg_stat_user_tables where schemaname = 'orders' and seq_scan > 0",
    )
    .fetch_all(&shop.shop.db)
    .await
    .unwrap();
    assert_eq!(scanned, []);
}
