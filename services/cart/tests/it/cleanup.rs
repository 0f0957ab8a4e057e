//! Cleanup of expired guest carts and old checkouts.

use std::time::Duration;

use bodega_runtime::rate_limit::RateLimits;
use tonic::Code;
use uuid::Uuid;

use crate::{
    fake_catalog::FakeCatalog,
    test_app::{TestApp, database},
};

#[tokio::test]
async fn deletes_expired_guest_carts_and_checkouts_only() {
    let (database, db) = database().await;
    // More than one batch of each.
    sqlx::raw_sql(
        "insert into cart.carts (id, guest_token_hash, updated_at)
         select gen_random_uuid(), sha256(n::text::bytea), now() - interval '31 days'
         from generate_series(1, 2500) n;
         insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency)
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

    let app = TestApp::start_with(database, db, FakeCatalog::new()).await;
    let rows = async || -> (i64, i64, i64) {
        sqlx::query_as(
            "select (select count(*) from cart.carts),
                    (select count(*) from cart.cart_items),
                    (select count(*) from cart.checkouts)",
        )
        .fetch_one(&app.db)
        .await
        .unwrap()
    };
    let deleted = async {
        while rows().await != (2, 0, 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), deleted).await.expect("all expired rows are deleted");
    // The rows that have not expired remain.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rows().await, (2, 0, 1));
}

#[tokio::test]
async fn records_of_merged_carts_are_kept_as_long_as_checkouts() {
    let (database, db) = database().await;
    sqlx::raw_sql(
        "insert into cart.merged_guests (guest_id, user_id, merged_at)
         select gen_random_uuid(), gen_random_uuid(), now() - interval '91 days' from generate_series(1, 1500);
         insert into cart.merged_guests (guest_id, user_id, merged_at)
         values (gen_random_uuid(), gen_random_uuid(), now() - interval '89 days')",
    )
    .execute(&db)
    .await
    .unwrap();
    let app = TestApp::start_with(database, db, FakeCatalog::new()).await;
    let rows = async || -> i64 {
        sqlx::query_scalar("select count(*) from cart.merged_guests").fetch_one(&app.db).await.unwrap()
    };
    let deleted = async {
        while rows().await > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), deleted).await.expect("old rows are deleted");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(rows().await, 1);
}

#[tokio::test]
async fn the_token_of_a_deleted_guest_cart_is_invalid() {
    let (database, db) = database().await;
    let catalog = FakeCatalog::new();
    let app = TestApp::start_with(database, db, catalog.clone()).await;
    let guest = app.guest_with(1, 1).await;
    sqlx::raw_sql("update cart.carts set updated_at = now() - interval '31 days'")
        .execute(&app.db)
        .await
        .unwrap();
    // Another replica starts with a cleanup.
    let shutdown = tokio_util::sync::CancellationToken::new();
    let replica = bodega_cart::start(
        app.db.clone(),
        crate::test_app::catalog_at(&catalog),
        crate::test_app::CACHE_BYTES,
        RateLimits::On,
        shutdown,
    )
    .await
    .unwrap();
    let deleted = async {
        while app.cart_count().await != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), deleted).await.expect("the cart is deleted");
    assert_eq!(guest.get().await.unwrap_err().code(), Code::NotFound);
    replica.stop().await;
    assert_ne!(app.guest_with(1, 1).await.guest_token, guest.guest_token);
    app.clear_ordered(Uuid::now_v7(), &app.user(), &[]).await;
}

#[tokio::test]
async fn a_recently_changed_guest_cart_is_not_deleted_however_old_it_is() {
    let (database, db) = database().await;
    sqlx::raw_sql(
        "insert into cart.carts (id, guest_token_hash, created_at, updated_at)
         select gen_random_uuid(), sha256(n::text::bytea), now() - interval '1 year', now() - interval '1 day' * n
         from generate_series(0, 29) n;
         -- The day of its last change is 30 days ago, the time is not yet.
         insert into cart.carts (id, guest_token_hash, updated_at)
         values (gen_random_uuid(), sha256('today'), now() - interval '30 days' + interval '10 minutes');
         insert into cart.carts (id, guest_token_hash, updated_at)
         values (gen_random_uuid(), sha256('expired'), now() - interval '30 days' - interval '1 second')",
    )
    .execute(&db)
    .await
    .unwrap();
    let app = TestApp::start_with(database, db, FakeCatalog::new()).await;
    let deleted = async {
        while app.cart_count().await != 31 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), deleted).await.expect("the expired cart is deleted");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(app.cart_count().await, 31);
}
