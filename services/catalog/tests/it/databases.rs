//! Databases with other extensions, roles and data, and a database that is down.

use std::path::Path;

use bodega_catalog::{MIGRATOR, SCHEMA};
use bodega_embedded_postgres::testing;
use bodega_media::Media;
use bodega_proto::catalog::v1::{
    CreateProductRequest, ListProductsRequest, Product, UpdateProductRequest,
    catalog_service_client::CatalogServiceClient,
};
use bodega_runtime::{database, rate_limit::RateLimits, transport::Transport};
use sqlx::{Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use uuid::Uuid;

use crate::{
    image_fixtures::{pngs, wait_until},
    test_app::{self, TestApp, by_name, product, rejection, update_request},
    variants::{request, variant},
};

/// Starts a catalog with a database in which `before` and `after` were executed around the migrations.
async fn migrated(template: &str, before: &'static str, after: &'static str) -> TestApp {
    let database = testing::database(template, |url| async move {
        let mut connection = PgConnection::connect(&url).await?;
        sqlx::raw_sql(before).execute(&mut connection).await?;
        database::migrate(&url.parse()?, SCHEMA, &MIGRATOR).await?;
        sqlx::raw_sql(after).execute(&mut connection).await?;
        Ok(())
    })
    .await;
    let db = database::pool(database.url().parse().unwrap(), 10, "catalog");
    TestApp::start_with(database, db).await
}

#[tokio::test]
async fn search_without_pg_trgm_does_not_tolerate_typos() {
    let app = migrated("catalog without pg_trgm", "select", "drop extension pg_trgm cascade").await;
    app.create(product("Mechanical keyboard")).await;
    assert_eq!(app.search("keyb").await, ["Mechanical keyboard"]);
    assert!(app.search("keybord").await.is_empty());
}

#[tokio::test]
async fn uses_pg_trgm_from_another_schema() {
    let before = "create schema \"other schema\"; create extension pg_trgm with schema \"other schema\"";
    let app = migrated("catalog with pg_trgm elsewhere", before, "select").await;
    app.create(product("Mechanical keyboard")).await;
    assert_eq!(app.search("keybord").await, ["Mechanical keyboard"]);
}

#[tokio::test]
async fn runs_with_a_role_that_can_only_read_and_write_rows() {
    let (database, owner) = test_app::database().await;
    sqlx::raw_sql(
        "create role catalog_app login;
         grant usage on schema catalog to catalog_app;
         grant select, insert, update, delete on all tables in schema catalog to catalog_app;
         grant usage, select on all sequences in schema catalog to catalog_app;
         revoke all on schema public from public",
    )
    .execute(&owner)
    .await
    .unwrap();
    let db = database::pool(database.url_as("catalog_app").parse().unwrap(), 5, "catalog");
    let app = TestApp::start_with(database, db).await;
    let tag_ids = vec![app.create_tag("red").await];
    let created = app
        .create(CreateProductRequest {
            stock: 5,
            category: Some(by_name("Kitchen")),
            tag_ids,
            image_url: "/a.png".to_owned(),
            ..product("Coffee grinder")
        })
        .await;
    assert_eq!(app.search("cofee").await, ["Coffee grinder"]);
    app.update(UpdateProductRequest {
        stock: Some(3),
        image_url: Some("/b".to_owned()),
        ..update_request(created.id)
    })
    .await
    .unwrap();
    let order_id = Uuid::now_v7();
    app.reserve(order_id, &[(created.id, 1)]).await;
    app.release(order_id).await;
    let sizes = [variant("A", "S", 100, 3), variant("B", "M", 110, 6)];
    app.put_variants(request(created.id, &sizes)).await.unwrap();
    app.put_variants(request(created.id, &sizes[..1])).await.unwrap();
    let product = app.add_images(created.id, &pngs(2)).await.unwrap();
    app.remove_image(created.id, product.images[1].id).await.unwrap();
    app.archive(created.id).await;
    let images = "select count(*) from catalog.stored_images";
    wait_until("unused images are deleted", async || app.number(images).await == 0).await;
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn an_image_without_a_thumbnail_is_its_own_thumbnail() {
    let app = TestApp::start().await;
    sqlx::raw_sql(
        "insert into catalog.products (name, description, price_minor, currency, stock)
         values ('Mug', '', 1, 'USD', 0);
         insert into catalog.product_images (product_id, url, position) values (1, '/b.png', 7), (1, '/a.png', 0)",
    )
    .execute(&app.db)
    .await
    .unwrap();

    let urls = |product: Product| -> Vec<_> {
        product.images.into_iter().flat_map(|image| [image.url, image.thumbnail_url]).collect()
    };
    assert_eq!(urls(app.get(1).await.unwrap()), ["/a.png", "/a.png", "/b.png", "/b.png"]);
    let more = urls(app.add_images(1, &pngs(1)).await.unwrap());
    assert_eq!(more.len(), 6);
    assert_eq!(more[..4], ["/a.png", "/a.png", "/b.png", "/b.png"]);
}

#[tokio::test]
async fn starts_while_the_database_is_down() {
    let unreachable = "postgres://nobody@127.0.0.1:1/nothing".parse().unwrap();
    let db = database::pool(unreachable, 1, "catalog");
    let media = Media::local(Path::new("/unused"));
    let shutdown = CancellationToken::new();
    let service = bodega_catalog::start(db, "USD".parse().unwrap(), media, None, RateLimits::On, shutdown)
        .await
        .unwrap();
    let mut client = CatalogServiceClient::new(Transport::unauthenticated(service.routes()));
    let outcome = client.list_products(ListProductsRequest::default()).await;
    assert_eq!(rejection(outcome), (Code::Unavailable, "unavailable".to_owned()));
}
