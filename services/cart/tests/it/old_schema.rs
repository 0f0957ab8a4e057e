//! A database that the version before variants has filled.

use std::borrow::Cow;

use bodega_cart::{MIGRATOR, SCHEMA};
use bodega_embedded_postgres::testing;
use bodega_runtime::database;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, migrate::Migrator};
use uuid::Uuid;

use crate::{
    fake_catalog::FakeCatalog,
    test_app::{TestApp, lines},
};

/// The last migration before variants.
const BEFORE_VARIANTS: i64 = 3;

/// The user whose cart exists, and the token of the guest whose cart exists.
const USER: Uuid = Uuid::from_u128(7);
const GUEST_TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; // 32 zeros
/// An order that was removed from the cart of the user.
const CLEARED: Uuid = Uuid::from_u128(9);

#[tokio::test]
async fn lines_become_those_of_first_variants() {
    let database = testing::database("cart before variants", |url| async move {
        let options = url.parse()?;
        let old = MIGRATOR.iter().filter(|migration| migration.version <= BEFORE_VARIANTS).cloned();
        let old = Migrator {
            migrations: Cow::Owned(old.collect()),
            table_name: MIGRATOR.table_name.clone(),
            create_schemas: MIGRATOR.create_schemas.clone(),
            ..Migrator::DEFAULT
        };
        database::migrate(&options, SCHEMA, &old).await?;
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql(AssertSqlSafe(format!(
            "insert into cart.carts (id, user_id, version) values ('{USER}', '{USER}', 4);
             insert into cart.carts (id, guest_token_hash) values ('{CLEARED}', sha256(decode(repeat('00', 32), 'hex')));
             insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency)
             values ('{USER}', 3, 2, 250, 'USD'), ('{USER}', 9, 1, 900, 'USD'), ('{CLEARED}', 3, 1, 250, 'USD');
             insert into cart.checkouts (order_id, user_id) values ('{CLEARED}', '{USER}')"
        )))
        .execute(&mut connection)
        .await?;
        database::migrate(&options, SCHEMA, &MIGRATOR).await
    })
    .await;
    let db = database::pool(database.url().parse().unwrap(), 10, "cart");
    let app = TestApp::start_with(database, db, FakeCatalog::new()).await;
    let user = app.user_with_id(USER);
    let cart = user.get().await.unwrap();
    assert_eq!((lines(&cart), cart.version), (vec![(3, 2), (9, 1)], 4));

    // The product has got sizes: the line is the first of them.
    app.catalog.set_variants(&[3, 4, 5], &["S", "M", "L"]);
    let cart = user.get().await.unwrap();
    assert_eq!((lines(&cart), cart.items[0].variant_name.as_str()), (vec![(3, 2), (9, 1)], "S"));
    assert_eq!(lines(&user.add_variant(3, 4).await.unwrap()), [(3, 2), (9, 1), (4, 1)]);
    assert_eq!(lines(&user.set(3, 1).await.unwrap()), [(3, 1), (9, 1), (4, 1)]);
    app.clear_ordered(CLEARED, &user, &[(3, 1)]).await;
    assert_eq!(user.lines().await, [(3, 1), (9, 1), (4, 1)], "the order was removed before");
    user.merge(GUEST_TOKEN).await.unwrap();
    assert_eq!(user.lines().await, [(3, 2), (9, 1), (4, 1)]);
}
