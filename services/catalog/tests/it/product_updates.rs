//! Updating and archiving products.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, IdOrName, Product, TagIds, UpdateProductRequest,
};
use tonic::Code;

use crate::{
    image_fixtures::urls,
    test_app::{TestApp, assert_invalid, by_id, by_name, product, rejection, update_request},
};

#[tokio::test]
async fn updates_only_the_given_fields() {
    let app = TestApp::start().await;
    let category = app.create_category("Kitchen").await;
    let created = app
        .create(CreateProductRequest {
            description: "Holds tea".to_owned(),
            stock: 3,
            category: Some(by_id(category)),
            tag_ids: vec![app.create_tag("red").await],
            image_url: "/a.png".to_owned(),
            ..product("Mug")
        })
        .await;
    let changed = app
        .update(UpdateProductRequest { price_minor: Some(5), ..update_request(created.id) })
        .await
        .unwrap();
    assert!(changed.version > created.version && changed.updated_at != created.updated_at);
    let expected = Product {
        price_minor: 5,
        version: changed.version,
        updated_at: changed.updated_at,
        ..created.clone()
    };
    assert_eq!(changed, expected);
    assert_eq!(app.get(created.id).await.unwrap(), changed);

    let changed = app
        .update(UpdateProductRequest {
            name: Some("Cup".to_owned()),
            description: Some(String::new()),
            currency: Some("USD".to_owned()),
            ..update_request(created.id)
        })
        .await
        .unwrap();
    assert_eq!((changed.name.as_str(), changed.description.as_str()), ("Cup", ""));
}

#[tokio::test]
async fn replaces_and_removes_tags_and_category() {
    let app = TestApp::start().await;
    let (red, big, old) =
        (app.create_tag("red").await, app.create_tag("big").await, app.create_tag("old").await);
    let id = app.create(CreateProductRequest { tag_ids: vec![red, big], ..product("Mug") }).await.id;
    let set_tags =
        |ids: Vec<i32>| UpdateProductRequest { tag_ids: Some(TagIds { ids }), ..update_request(id) };
    let tags = |product: Product| product.tags.iter().map(|tag| tag.id).collect::<Vec<_>>();
    assert_eq!(tags(app.update(set_tags(vec![old, big])).await.unwrap()), [big, old]);
    assert_invalid(app.update(set_tags(vec![red, 99])).await, &["tag_ids"]);
    assert_eq!(tags(app.get(id).await.unwrap()), [big, old]);
    assert_eq!(tags(app.update(set_tags(vec![])).await.unwrap()), [0; 0]);

    let set_category =
        |category: IdOrName| UpdateProductRequest { category: Some(category), ..update_request(id) };
    let named = app.update(set_category(by_name("New"))).await.unwrap();
    assert_eq!(named.category.unwrap().name, "New");
    assert_invalid(app.update(set_category(by_id(99))).await, &["category"]);
    assert_eq!(app.update(set_category(IdOrName::default())).await.unwrap().category, None);
}

#[tokio::test]
async fn an_image_url_replaces_the_first_image() {
    let app = TestApp::start().await;
    let id = app.create(product("Mug")).await.id;
    let set = |url: &str| UpdateProductRequest { image_url: Some(url.to_owned()), ..update_request(id) };
    assert!(urls(&app.update(set("")).await.unwrap()).is_empty());
    assert_eq!(urls(&app.update(set("/a.png")).await.unwrap()), ["/a.png"]);
    sqlx::query("insert into catalog.product_images (product_id, url, position) values ($1, '/b.png', 1)")
        .bind(id)
        .execute(&app.db)
        .await
        .unwrap();
    assert_eq!(urls(&app.update(set("/c.png")).await.unwrap()), ["/c.png", "/b.png"]);
    assert_eq!(urls(&app.update(set("")).await.unwrap()), ["/b.png"]);
    assert_invalid(app.update(set("b.png")).await, &["image_url"]);
}

#[tokio::test]
async fn a_stock_update_records_the_difference_in_the_ledger() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(5).await;
    for (stock, now) in [(2, 2), (2, 2), (9, 9)] {
        let changed =
            app.update(UpdateProductRequest { stock: Some(stock), ..update_request(id) }).await.unwrap();
        assert_eq!(changed.stock, now);
    }
    let expected = [("initial", 5), ("adjusted", -3), ("adjusted", 7)];
    assert_eq!(app.movements(id).await, expected.map(|(reason, delta)| (reason.to_owned(), delta)));
}

#[tokio::test]
async fn rejects_an_update_with_all_invalid_fields() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let outcome = app
        .update(UpdateProductRequest {
            name: Some(" ".to_owned()),
            description: Some("x".repeat(10_001)),
            price_minor: Some(-1),
            currency: Some("EUR".to_owned()),
            stock: Some(-1),
            ..update_request(id)
        })
        .await;
    assert_invalid(outcome, &["currency", "price_minor", "stock", "name", "description"]);
    assert_eq!(app.get(id).await.unwrap().version, 1);
}

#[tokio::test]
async fn rejects_an_update_or_archive_of_another_version() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let rename = |version: i64| UpdateProductRequest {
        name: Some("Cup".to_owned()),
        expected_version: Some(version),
        ..update_request(id)
    };
    let version = app.update(rename(1)).await.unwrap().version;
    let mismatch = (Code::Aborted, "version_mismatch".to_owned());
    assert_eq!(rejection(app.update(rename(1)).await), mismatch);
    let delete = |version: i64| DeleteProductRequest { id, expected_version: Some(version) };
    assert_eq!(rejection(app.admin().delete_product(delete(1)).await), mismatch);
    app.admin().delete_product(delete(version)).await.unwrap();
}

#[tokio::test]
async fn cannot_update_or_archive_an_unknown_or_archived_product() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    app.archive(id).await;
    let not_found = (Code::NotFound, "product_not_found".to_owned());
    for id in [id, 99] {
        // Takes precedence over other problems of the request.
        let tags = TagIds { ids: vec![99] };
        let change =
            UpdateProductRequest { tag_ids: Some(tags), expected_version: Some(7), ..update_request(id) };
        assert_eq!(rejection(app.update(change).await), not_found);
        let delete = DeleteProductRequest { id, expected_version: None };
        assert_eq!(rejection(app.admin().delete_product(delete).await), not_found);
    }
}
