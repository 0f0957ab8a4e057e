//! The number of SQL statements per call.

use bodega_embedded_postgres::testing::statements::{Counts, count, count_all};
use bodega_proto::catalog::v1::{CreateProductRequest, ListCategoriesRequest, ListProductsRequest};
use uuid::Uuid;

use crate::{
    image_fixtures::pngs,
    test_app::{TestApp, by_id, by_name, product},
    variants::three_sizes,
};

/// One statement, outside of a transaction, and no check of a connection.
const ONE: Counts = Counts::of(1, 0);

#[tokio::test]
async fn reads_take_one_statement() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    let tag = app.create_tag("red").await;
    for _ in 0..30 {
        let request = CreateProductRequest {
            category: Some(by_name("Kitchen")),
            tag_ids: vec![tag],
            image_url: "/a.png".to_owned(),
            ..product("Desk lamp")
        };
        ids.push(app.create(request).await.id);
    }
    app.search("lamp").await; // the first search also checks for pg_trgm
    for (sort, omit_variants) in (0..=7).flat_map(|sort| [(sort, false), (sort, true)]) {
        for q in ["", "lamp", "lammp"] {
            let request = ListProductsRequest {
                q: q.to_owned(),
                categories: vec![by_name("kitchen")],
                tags: vec![by_id(tag), by_name("RED")],
                min_price_minor: Some(1),
                in_stock: Some(false),
                ids: ids.clone(),
                sort,
                omit_variants,
                ..Default::default()
            };
            let (page, counts) = count_all(app.page(request.clone())).await;
            let (ids, cursor) = page.unwrap();
            assert_eq!((ids.len(), counts), (20, ONE), "{sort} {q}");
            let (page, counts) = count_all(app.page(ListProductsRequest { cursor, ..request })).await;
            assert_eq!((page.unwrap().0.len(), counts), (10, ONE), "{sort} {q}");
        }
    }
    assert_eq!(count_all(app.get(ids[0])).await.1, ONE);
    assert_eq!(count_all(app.batch_get(&ids)).await.1, ONE);
    let mut client = app.client_of(None);
    assert_eq!(count_all(client.list_categories(ListCategoriesRequest::default())).await.1, ONE);
}

#[tokio::test]
async fn variants_are_read_and_reserved_in_one_statement() {
    let app = TestApp::start().await;
    let sizes = three_sizes(&app).await;
    for q in ["mug", "B"] {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        app.page(request.clone()).await.unwrap(); // the first search also checks for pg_trgm
        let (page, counts) = count_all(app.page(request)).await;
        assert_eq!((page.unwrap().0, counts), (vec![sizes[0]], ONE), "{q}");
    }
    assert_eq!(count_all(app.get(sizes[0])).await.1, ONE);
    assert_eq!(count_all(app.batch_get(&sizes)).await.1, ONE);
    assert_eq!(count_all(app.variants(sizes[0])).await.1, ONE);
    let order_id = Uuid::now_v7();
    assert_eq!(count(app.reserve(order_id, &sizes.map(|id| (id, 1)))).await.1, 1);
    assert_eq!(count(app.release(order_id)).await.1, 1);
}

#[tokio::test]
async fn a_reservation_takes_one_statement_for_any_number_of_lines() {
    let app = TestApp::start().await;
    let mut lines = Vec::new();
    for _ in 0..30 {
        lines.push((app.create_with_stock(1).await, 1));
    }
    let order_id = Uuid::now_v7();
    assert_eq!(count(app.reserve(order_id, &lines)).await.1, 1);
    assert_eq!(count(app.reserve(order_id, &lines)).await.1, 2, "repeated");
    assert_eq!(count(app.reserve(Uuid::now_v7(), &lines)).await.1, 2, "short");
    assert_eq!(count(app.release(order_id)).await.1, 1);
    assert_eq!(count(app.release(order_id)).await.1, 1, "repeated");
}

#[tokio::test]
async fn an_upload_takes_eight_statements_plus_one_per_image() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    for images in [1, 5] {
        let (added, statements) = count(app.add_images(id, &pngs(images))).await;
        assert_eq!(statements, 8 + usize::from(images));
        let first = added.unwrap().images[0].id;
        assert_eq!(count(app.remove_image(id, first)).await.1, 4);
    }
}

#[tokio::test]
async fn a_product_is_read_without_planning() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    for _ in 0..10 {
        app.get(id).await.unwrap();
    }
    // One call at a time uses the same connection. The first five plans are made for their values.
    let generic: i64 = sqlx::query_scalar(
        "select sum(generic_plans)::bigint from pg_prepared_statements
         where statement like '%from catalog.product_view%where id = $1'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert_eq!(generic, 5);
}
