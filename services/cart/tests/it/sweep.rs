//! What nobody comes back for ends.

use std::time::Duration;

use tonic::Code;
use uuid::Uuid;

use crate::{
    catalog::FakeCatalog,
    shop::{Shop, database},
};

#[tokio::test]
async fn old_guests_carts_and_checkouts_go_and_nothing_else_does() {
    let (database, db) = database().await;
    // More than one batch of each.
    sqlx::raw_sql(
        "insert into cart.carts (id, guest_token_hash, updated_at)
         select gen_random_uuid(), sha256(n::text::bytea), now() - interval '31 days'
         from generate_series(1, 2500) n;
         insert into cart.cart_items (cart_id, product_id, quantity, seen_price_minor, currency)
         select id, 1, 1, 100, 'USD' from cart.carts;
         insert into cart.carts (id, guest_token_hash, updated_at)
         values (gen_random_uuid(), sha256('recent'), now() - interval '29 days');
         insert into cart.carts (id, user_id, updated_at)
         values (gen_random_uuid(), gen_random_uuid(), now() - interval '10 years');
         insert into cart.checkouts (order_id, user_id, cleared_at)
         select gen_random_uuid(), gen_random_uuid(), now() - interval '91 days'
         from generate_series(1, 2500);
         insert into cart.checkouts (order_id, user_id, cleared_at)
         values (gen_random_uuid(), gen_random_uuid(), now() - interval '89 days')",
    )
    .execute(&db)
    .await
    .unwrap();

    let shop = Shop::open_with(database, db, FakeCatalog::new()).await;
    let rows = async || -> (i64, i64, i64) {
        sqlx::query_as(
            "select (select count(*) from cart.carts),
                    (select count(*) from cart.cart_items),
                    (select count(*) from cart.checkouts)",
        )
        .fetch_one(&shop.db)
        .await
        .unwrap()
    };
    let swept = async {
        while rows().await != (2, 0, 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("all that is old goes");
    // Nor does anything more go afterwards.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rows().await, (2, 0, 1));
}

#[tokio::test]
async fn a_swept_guests_token_has_ended() {
    let (database, db) = database().await;
    let catalog = FakeCatalog::new();
    let shop = Shop::open_with(database, db, catalog.clone()).await;
    let guest = shop.guest_with(1, 1).await;
    sqlx::raw_sql("update cart.carts set updated_at = now() - interval '31 days'")
        .execute(&shop.db)
        .await
        .unwrap();
    // Another replica starts, and sweeps.
    let shutdown = tokio_util::sync::CancellationToken::new();
    let replica =
        bodega_cart::start(shop.db.clone(), crate::shop::catalog_at(&catalog), shutdown).await.unwrap();
    let swept = async {
        while shop.carts().await != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("the cart goes");
    assert_eq!(guest.get().await.unwrap_err().code(), Code::NotFound);
    replica.stop().await;
    assert_ne!(shop.guest_with(1, 1).await.guest_token, guest.guest_token);
    shop.clear_ordered(Uuid::now_v7(), &shop.user(), &[]).await;
}
