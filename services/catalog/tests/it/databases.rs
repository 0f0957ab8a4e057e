//! Databases the catalog may find itself in.

use std::path::Path;

use bodega_catalog::{MIGRATOR, SCHEMA};
use bodega_embedded_postgres::testing;
use bodega_media::Media;
use bodega_proto::catalog::v1::{
    CreateProductRequest, ListProductsRequest, Product, UpdateProductRequest,
    catalog_service_client::CatalogServiceClient,
};
use bodega_runtime::{database, transport::Transport};
use sqlx::{Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use crate::{
    image_fixtures::{pngs, until},
    test_catalog::{self, Shop, by_name, changes, product, refusal},
};

/// A database prepared by `before` and `after` the migrations.
async fn migrated(template: &str, before: &'static str, after: &'static str) -> Shop {
    let database = testing::database(template, |url| async move {
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql(before).execute(&mut connection).await?;
        database::migrate(&url.parse()?, SCHEMA, &MIGRATOR).await?;
        sqlx::raw_sql(after).execute(&mut connection).await?;
        Ok(())
    })
    .await;
    let db = database::pool(database.url().parse().unwrap(), 10, "catalog");
    Shop::open_with(database, db).await
}

#[tokio::test]
async fn without_pg_trgm_only_typos_are_not_forgiven() {
    let shop = migrated("catalog without pg_trgm", "select", "drop extension pg_trgm cascade").await;
    shop.create(product("Mechanical keyboard")).await;
    assert_eq!(shop.search("keyb").await, ["Mechanical keyboard"]);
    assert!(shop.search("keybord").await.is_empty());
}

#[tokio::test]
async fn pg_trgm_is_used_where_it_is() {
    let before = "create schema \"Other place\"; create extension pg_trgm with schema \"Other place\"";
    let shop = migrated("catalog with pg_trgm elsewhere", before, "select").await;
    shop.create(product("Mechanical keyboard")).await;
    assert_eq!(shop.search("keybord").await, ["Mechanical keyboard"]);
}

#[tokio::test]
async fn a_role_that_may_only_read_and_write_rows_is_enough() {
    let (database, owner) = test_catalog::database().await;
    sqlx::raw_sql(
        "create role catalog_clerk login;
         grant usage on schema catalog to catalog_clerk;
         grant select, insert, update, delete on all tables in schema catalog to catalog_clerk;
         grant usage, select on all sequences in schema catalog to catalog_clerk;
         revoke all on schema public from public",
    )
    .execute(&owner)
    .await
    .unwrap();
    let db = database::pool(database.url_as("catalog_clerk").parse().unwrap(), 5, "catalog");
    let shop = Shop::open_with(database, db).await;
    let tag_ids = vec![shop.tag("red").await];
    let made = shop
        .create(CreateProductRequest {
            stock: 5,
            category: Some(by_name("Kitchen")),
            tag_ids,
            image_url: "/a.png".to_owned(),
            ..product("Coffee grinder")
        })
        .await;
    assert_eq!(shop.search("cofee").await, ["Coffee grinder"]);
    shop.update(UpdateProductRequest {
        stock: Some(3),
        image_url: Some("/b".to_owned()),
        ..changes(made.id)
    })
    .await
    .unwrap();
    let order_id = Uuid::now_v7();
    shop.reserve(order_id, &[(made.id, 1)]).await;
    shop.release(order_id).await;
    let shown = shop.add_images(made.id, &pngs(2)).await.unwrap();
    shop.remove_image(made.id, shown.images[1].id).await.unwrap();
    shop.archive(made.id).await;
    let pictures = "select count(*) from catalog.stored_images";
    until("the clerk has swept", async || shop.number(pictures).await == 0).await;
    shop.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_image_without_a_thumbnail_is_its_own_thumbnail() {
    let shop = Shop::open().await;
    sqlx::raw_sql(
        "insert into catalog.products (name, description, price_minor, currency, stock)
         values ('Mug', '', 1, 'USD', 0);
         insert into catalog.product_images (product_id, url, position) values (1, '/b.png', 7), (1, '/a.png', 0)",
    )
    .execute(&shop.db)
    .await
    .unwrap();

    let links = |product: Product| -> Vec<_> {
        product.images.into_iter().flat_map(|image| [image.url, image.thumbnail_url]).collect()
    };
    assert_eq!(links(shop.get(1).await.unwrap()), ["/a.png", "/a.png", "/b.png", "/b.png"]);
    let more = links(shop.add_images(1, &pngs(1)).await.unwrap());
    assert_eq!(more.len(), 6);
    assert_eq!(more[..4], ["/a.png", "/a.png", "/b.png", "/b.png"]);
}

#[tokio::test]
async fn a_database_that_is_down_fails_the_calls_and_not_the_start() {
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing".parse().unwrap();
    let db = database::pool(nowhere, 1, "catalog");
    let media = Media::local(Path::new("/unused"));
    let shutdown = CancellationToken::new();
    let service = bodega_catalog::start(db, "USD".parse().unwrap(), media, shutdown).await.unwrap();
    let mut client = CatalogServiceClient::new(Transport::unauthenticated(service.routes()));
    let outcome = client.list_products(ListProductsRequest::default()).await;
    assert_eq!(refusal(outcome), (Code::Unavailable, "unavailable".to_owned()));
}
