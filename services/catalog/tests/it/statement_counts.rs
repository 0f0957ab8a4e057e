//! What a call may cost in SQL statements, however much there is.

use bodega_embedded_postgres::testing::statements::count;
use bodega_proto::catalog::v1::{CreateProductRequest, ListCategoriesRequest, ListProductsRequest};
use uuid::Uuid;

use crate::{
    image_fixtures::pngs,
    test_catalog::{Shop, by_id, by_name, product},
};

#[tokio::test]
async fn no_read_costs_more_than_one_statement() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    let tag = shop.tag("red").await;
    for _ in 0..30 {
        let wanted = CreateProductRequest {
            category: Some(by_name("Kitchen")),
            tag_ids: vec![tag],
            image_url: "/a.png".to_owned(),
            ..product("Desk lamp")
        };
        ids.push(shop.create(wanted).await.id);
    }
    shop.search("lamp").await; // the first one looks for pg_trgm
    for sort in 0..=7 {
        for q in ["", "lamp", "lammp"] {
            let request = ListProductsRequest {
                q: q.to_owned(),
                categories: vec![by_name("kitchen")],
                tags: vec![by_id(tag), by_name("RED")],
                min_price_minor: Some(1),
                in_stock: Some(false),
                ids: ids.clone(),
                sort,
                ..Default::default()
            };
            let (page, statements) = count(shop.page(request.clone())).await;
            let (ids, cursor) = page.unwrap();
            assert_eq!((ids.len(), statements), (20, 1), "{sort} {q}");
            let (page, statements) = count(shop.page(ListProductsRequest { cursor, ..request })).await;
            assert_eq!((page.unwrap().0.len(), statements), (10, 1), "{sort} {q}");
        }
    }
    assert_eq!(count(shop.get(ids[0])).await.1, 1);
    assert_eq!(count(shop.batch(&ids)).await.1, 1);
    let mut client = shop.acting_as(None);
    assert_eq!(count(client.list_categories(ListCategoriesRequest::default())).await.1, 1);
}

#[tokio::test]
async fn a_reservation_costs_three_statements_however_many_lines_it_has() {
    let shop = Shop::open().await;
    let mut lines = Vec::new();
    for _ in 0..30 {
        lines.push((shop.stocked(1).await, 1));
    }
    let order_id = Uuid::now_v7();
    assert_eq!(count(shop.reserve(order_id, &lines)).await.1, 3);
    assert_eq!(count(shop.reserve(order_id, &lines)).await.1, 3, "repeated");
    assert_eq!(count(shop.reserve(Uuid::now_v7(), &lines)).await.1, 2, "short");
    assert_eq!(count(shop.release(order_id)).await.1, 3);
    assert_eq!(count(shop.release(order_id)).await.1, 2, "repeated");
}

#[tokio::test]
async fn an_upload_costs_seven_statements_and_one_more_a_picture() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    for pictures in [1, 5] {
        let (added, statements) = count(shop.add_images(id, &pngs(pictures))).await;
        assert_eq!(statements, 7 + usize::from(pictures));
        let first = added.unwrap().images[0].id;
        assert_eq!(count(shop.remove_image(id, first)).await.1, 3);
    }
}
