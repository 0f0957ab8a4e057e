//! Tables and foreign keys.

use crate::harness::store::TestStore;

/// Foreign keys: table, column, referenced table.
const FOREIGN_KEYS: [(&str, &str, &str); 3] = [
    ("cart.cart_items", "cart_id", "cart.carts"),
    ("orders.order_items", "order_id", "orders.orders"),
    ("identity.sessions", "user_id", "identity.users"),
];

#[tokio::test]
async fn cart_and_order_rows_refer_to_users_and_products() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 9).await;
    let ada = store.register("ada").await;
    ada.buy(mug, 2).await;
    ada.add_to_cart(mug, 3).await.expect(200);
    let db = store.sql().await;

    let user: (String, String) = sqlx::query_as(
        "select id::text, email from identity.users where password_hash is not null and role = 'user'",
    )
    .fetch_one(&db)
    .await
    .unwrap();
    assert_eq!(user, (ada.id().to_owned(), "ada@shop.example".to_owned()));
    let in_cart = "select c.user_id::text, i.product_id, i.quantity
        from cart.cart_items i join cart.carts c on c.id = i.cart_id";
    let in_cart: Vec<(String, i32, i32)> = sqlx::query_as(in_cart).fetch_all(&db).await.unwrap();
    let mug = i32::try_from(mug).unwrap();
    assert_eq!(in_cart, [(ada.id().to_owned(), mug, 3)]);
    let ordered = "select o.user_id::text, i.product_id, i.quantity
        from orders.order_items i join orders.orders o on o.id = i.order_id";
    let ordered: Vec<(String, i32, i32)> = sqlx::query_as(ordered).fetch_all(&db).await.unwrap();
    assert_eq!(ordered, [(ada.id().to_owned(), mug, 2)]);
}

/// Tables of the same schema refer to each other by foreign keys.
#[tokio::test]
async fn items_have_foreign_keys_to_their_parents() {
    let store = TestStore::start().await;
    let db = store.sql().await;
    for (from, column, to) in FOREIGN_KEYS {
        let found: bool = sqlx::query_scalar(
            "select exists (
                select from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
                where c.contype = 'f' and c.conrelid = $1::regclass and a.attname = $2 and c.confrelid = $3::regclass
            )",
        )
        .bind(from)
        .bind(column)
        .bind(to)
        .fetch_one(&db)
        .await
        .unwrap();
        assert!(found, "{from}.{column} -> {to}");
    }
}
