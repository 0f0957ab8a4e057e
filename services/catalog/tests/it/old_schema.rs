//! Databases of the version before variants and returns, with data; and statements of that version on the schema of this one.

use std::borrow::Cow;

use bodega_catalog::{MIGRATOR, SCHEMA};
use bodega_embedded_postgres::testing;
use bodega_proto::catalog::v1::{
    ListProductsRequest, ReservedLine, UpdateProductRequest, Variant, reserve_response::Outcome,
};
use bodega_runtime::database;
use sqlx::{Connection as _, PgConnection, migrate::Migrator};
use uuid::Uuid;

use crate::{
    test_app::{TestApp, product, update_request},
    variants::{is_reserved, request, three_sizes, variant},
};

/// The last migration before variants.
const BEFORE_VARIANTS: i64 = 7;

/// An order with 2 mugs and a hat, and one that was released.
const RESERVED: Uuid = Uuid::from_u128(1);
const RELEASED: Uuid = Uuid::from_u128(2);

/// A mug with an image, a category and a tag; a hat that is sold out; an archived cup.
const DATA: &str = "
    insert into catalog.categories (name) values ('Kitchen');
    insert into catalog.tags (name) values ('red');
    insert into catalog.products (name, description, price_minor, currency, stock, category_id, archived_at, version)
    values ('Mug', 'Holds 350 ml.', 1250, 'USD', 8, 1, null, 5), ('Hat', '', 900, 'USD', 0, null, null, 2),
           ('Cup', '', 700, 'USD', 3, null, now(), 2);
    insert into catalog.product_tags (product_id, tag_id) values (1, 1);
    insert into catalog.product_images (product_id, url, position) values (1, '/mug.png', 0);
    insert into catalog.reservations (order_id, status, released_at)
    values ('00000000-0000-0000-0000-000000000001', 'reserved', null),
           ('00000000-0000-0000-0000-000000000002', 'released', now());
    insert into catalog.reservation_lines (order_id, product_id, quantity, name, price_minor, currency)
    values ('00000000-0000-0000-0000-000000000001', 1, 2, 'Old mug', 1100, 'USD'),
           ('00000000-0000-0000-0000-000000000001', 2, 1, 'Hat', 900, 'USD'),
           ('00000000-0000-0000-0000-000000000002', 3, 1, 'Cup', 700, 'USD');
    insert into catalog.stock_movements (product_id, delta, reason, order_id)
    values (1, 10, 'initial', null), (2, 1, 'initial', null), (3, 3, 'initial', null),
           (1, -2, 'reserved', '00000000-0000-0000-0000-000000000001'),
           (2, -1, 'reserved', '00000000-0000-0000-0000-000000000001'),
           (3, -1, 'reserved', '00000000-0000-0000-0000-000000000002'),
           (3, 1, 'released', '00000000-0000-0000-0000-000000000002');
";

fn migrations_before_variants() -> Migrator {
    let old = MIGRATOR.iter().filter(|migration| migration.version <= BEFORE_VARIANTS).cloned();
    Migrator {
        migrations: Cow::Owned(old.collect()),
        table_name: MIGRATOR.table_name.clone(),
        create_schemas: MIGRATOR.create_schemas.clone(),
        ..Migrator::DEFAULT
    }
}

/// Starts this version on a database that the version before has filled.
async fn migrated() -> TestApp {
    let database = testing::database("catalog before variants", |url| async move {
        let options = url.parse()?;
        database::migrate(&options, SCHEMA, &migrations_before_variants()).await?;
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql(DATA).execute(&mut connection).await?;
        database::migrate(&options, SCHEMA, &MIGRATOR).await
    })
    .await;
    let db = database::pool(database.url().parse().unwrap(), 10, "catalog");
    TestApp::start_with(database, db).await
}

#[tokio::test]
async fn products_become_their_first_variant() {
    let app = migrated().await;
    let mug = app.get(1).await.unwrap();
    assert_eq!((mug.price_minor, mug.stock, mug.version), (1250, 8, 5));
    assert_eq!((mug.price_max_minor, mug.variant_count, mug.variants.len()), (None, 1, 0));
    assert_eq!((mug.tags.len(), mug.images.len(), mug.category.unwrap().name.as_str()), (1, 1, "Kitchen"));
    let only = Variant {
        id: 1,
        product_id: 1,
        price_minor: 1250,
        stock: Some(8),
        tax_class: "standard".to_owned(),
        ..Variant::default()
    };
    assert_eq!(app.variants(1).await.unwrap(), [only]);
    assert_eq!(app.list(ListProductsRequest::default()).await, [2, 1]);
    let in_stock = |in_stock| ListProductsRequest { in_stock: Some(in_stock), ..Default::default() };
    assert_eq!(app.list(in_stock(true)).await, [1]);
    assert_eq!(app.list(in_stock(false)).await, [2]);
    assert_eq!(app.search("mug").await, ["Mug"]);

    // As before; and then with sizes, of which the first has what the product had.
    let cheaper = UpdateProductRequest { price_minor: Some(1000), ..update_request(1) };
    assert_eq!(app.update(cheaper).await.unwrap().version, 6);
    let sizes = [Variant { stock: None, ..variant("S", "S", 1000, 0) }, variant("M", "M", 1500, 4)];
    let put = app.put_variants(request(1, &sizes)).await.unwrap();
    assert_eq!(put.variants.iter().map(|size| size.stock.unwrap()).collect::<Vec<_>>(), [8, 4]);
    assert_eq!(put.variants[0].id, 1);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn reservations_are_repeated_returned_and_released() {
    let app = migrated().await;
    let Outcome::Reserved(reserved) = app.reserve(RESERVED, &[(1, 2), (2, 1)]).await else {
        panic!("the order has a reservation")
    };
    let line = |product_id, name: &str, price_minor, quantity| {
        let name = name.to_owned();
        ReservedLine { product_id, name, price_minor, quantity, ..ReservedLine::default() }
    };
    assert_eq!(reserved.lines, [line(1, "Old mug", 1100, 2), line(2, "Hat", 900, 1)]);

    app.return_units(Uuid::now_v7(), RESERVED, &[(1, 1)], true).await.unwrap();
    app.return_units(Uuid::now_v7(), RELEASED, &[(3, 1)], true).await.unwrap();
    assert_eq!((app.stock_of(1).await, app.stock_of(3).await), (9, 3));
    for order_id in [RESERVED, RELEASED, RESERVED] {
        app.release(order_id).await;
    }
    assert_eq!((app.stock_of(1).await, app.stock_of(2).await, app.stock_of(3).await), (10, 1, 3));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn the_version_before_works_on_this_schema() {
    let app = TestApp::start().await;
    let [small, medium, _] = three_sizes(&app).await;
    let other = app.create(product("Hat")).await.id;
    // Its list, a new product, an order and the archiving of a product, with its lists of columns.
    let listed: Vec<i32> = sqlx::query_scalar(
        "select p.id from catalog.product_view p
         join catalog.products listed using (id)
         where listed.archived_at is null order by p.id",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(listed, [small, other]);
    sqlx::raw_sql(
        "insert into catalog.products (name, description, price_minor, stock, category_id, currency)
         values ('Cap', '', 500, 0, null, 'USD');
         insert into catalog.reservations (order_id, status) values ('00000000-0000-0000-0000-000000000001', 'reserved');
         insert into catalog.reservation_lines (order_id, product_id, quantity, name, price_minor, currency)
         values ('00000000-0000-0000-0000-000000000001', 1, 1, 'Mug', 100, 'USD');
         update catalog.products set stock = stock - 1, version = version + 1 where id = 1;
         insert into catalog.stock_movements (product_id, delta, reason, order_id)
         values (1, -1, 'reserved', '00000000-0000-0000-0000-000000000001')",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let cap = app.list(ListProductsRequest::default()).await[0];
    assert_eq!(app.variants(cap).await.unwrap().len(), 1);
    assert_eq!(app.get(small).await.unwrap().stock, 17);
    app.release(RESERVED).await;
    assert_eq!(app.get(small).await.unwrap().stock, 18);

    sqlx::query("update catalog.products set archived_at = now(), version = version + 1, updated_at = now() where id = $1")
        .bind(small)
        .execute(&app.db)
        .await
        .unwrap();
    for id in [small, medium] {
        assert!(!is_reserved(&app.reserve(Uuid::now_v7(), &[(id, 1)]).await), "{id}");
    }
    // Its SKUs are free.
    app.put_variants(request(other, &[variant("a", "S", 1, 1)])).await.unwrap();
    app.assert_ledger_adds_up().await;
}
