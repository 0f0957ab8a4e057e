//! Creating and reading products.

use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, CreateProductRequest, GetCategoryRequest, IdOrName,
};
use tonic::Code;

use crate::test_app::{TestApp, assert_invalid, by_id, by_name, ids, product, rejection};

#[tokio::test]
async fn reads_a_product_as_it_was_created() {
    let app = TestApp::start().await;
    let category = app.create_category("Kitchen").await;
    let (zinc, amber) = (app.create_tag("zinc").await, app.create_tag("Amber").await);
    let created = app
        .create(CreateProductRequest {
            name: "  Mug ".to_owned(),
            description: "Holds tea.\nAnd coffee.".to_owned(),
            price_minor: 1999,
            currency: "USD".to_owned(),
            stock: 7,
            category: Some(by_id(category)),
            tag_ids: vec![zinc, amber, zinc],
            image_url: "https://example.com/mug.png".to_owned(),
        })
        .await;
    assert_eq!(app.get(created.id).await.unwrap(), created);
    assert_eq!((created.name.as_str(), created.description.as_str()), ("Mug", "Holds tea.\nAnd coffee."));
    assert_eq!((created.price_minor, created.currency.as_str(), created.stock), (1999, "USD", 7));
    assert_eq!(created.category.unwrap().name, "Kitchen");
    assert_eq!(created.tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["Amber", "zinc"]);
    assert_eq!(
        created.images.iter().map(|image| image.url.as_str()).collect::<Vec<_>>(),
        ["https://example.com/mug.png"]
    );
    assert_eq!((created.version, created.archived, created.created_at), (1, false, created.updated_at));
    assert_eq!(app.movements(created.id).await, [("initial".to_owned(), 7)]);
}

#[tokio::test]
async fn creates_a_product_with_only_a_name() {
    let app = TestApp::start().await;
    let created = app.create(CreateProductRequest { name: "Air".to_owned(), ..Default::default() }).await;
    assert_eq!((created.price_minor, created.stock, created.currency.as_str()), (0, 0, "USD"));
    assert!(created.category.is_none() && created.tags.is_empty() && created.images.is_empty());
    assert!(app.movements(created.id).await.is_empty());
    // Names need not be unique.
    app.create(product("Air")).await;
}

#[tokio::test]
async fn rejects_a_product_with_all_invalid_fields() {
    let app = TestApp::start().await;
    let outcome = app
        .try_create(CreateProductRequest {
            name: String::new(),
            description: "x".repeat(10_001),
            price_minor: -1,
            currency: "EUR".to_owned(),
            stock: -1,
            category: Some(by_name("")),
            tag_ids: (1..=51).collect(),
            image_url: "ftp://example.com".to_owned(),
        })
        .await;
    let all = ["currency", "price_minor", "stock", "name", "description", "category", "tag_ids", "image_url"];
    assert_invalid(outcome, &all);
    for (field, request) in [
        ("name", CreateProductRequest { name: "é".repeat(201), ..product("") }),
        ("description", CreateProductRequest { description: "\0".to_owned(), ..product("a") }),
        ("price_minor", CreateProductRequest { price_minor: 1_000_000_000_001, ..product("a") }),
        ("stock", CreateProductRequest { stock: 1_000_000_001, ..product("a") }),
        ("image_url", CreateProductRequest { image_url: format!("/{}", "x".repeat(2_000)), ..product("a") }),
    ] {
        assert_invalid(app.try_create(request).await, &[field]);
    }
    app.create(CreateProductRequest {
        name: "é".repeat(200),
        description: "☕".repeat(10_000),
        price_minor: 1_000_000_000_000,
        stock: 1_000_000_000,
        image_url: format!("/{}", "x".repeat(1_999)),
        ..Default::default()
    })
    .await;
}

#[tokio::test]
async fn rejects_an_unknown_category_or_tag() {
    let app = TestApp::start().await;
    let tag = app.create_tag("red").await;
    let outcome = app
        .try_create(CreateProductRequest {
            category: Some(by_id(99)),
            tag_ids: vec![tag, 99],
            ..product("Mug")
        })
        .await;
    assert_invalid(outcome, &["category", "tag_ids"]);
    assert!(app.list(Default::default()).await.is_empty());
}

#[tokio::test]
async fn creates_a_category_by_name_once() {
    let app = TestApp::start().await;
    let make = |name: &'static str| CreateProductRequest { category: Some(by_name(name)), ..product("Mug") };
    let first = app.create(make("Kitchen")).await.category.unwrap();
    let second = app.create(make(" kitchen ")).await.category.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.name, "Kitchen");
    let found = app.admin().get_category(GetCategoryRequest { id: first.id }).await.unwrap().into_inner();
    assert_eq!(found.category.unwrap().product_count, 2);
    let none = CreateProductRequest { category: Some(IdOrName::default()), ..product("Mug") };
    assert_eq!(app.create(none).await.category, None);
}

#[tokio::test]
async fn returns_not_found_for_an_unknown_or_archived_product() {
    let app = TestApp::start().await;
    let not_found = (Code::NotFound, "product_not_found".to_owned());
    assert_eq!(rejection(app.get(1).await), not_found);
    let id = app.create_with_stock(1).await;
    app.archive(id).await;
    assert_eq!(rejection(app.get(id).await), not_found);
    assert!(app.list(Default::default()).await.is_empty());
}

#[tokio::test]
async fn batch_get_returns_each_product_once_including_archived() {
    let app = TestApp::start().await;
    let (first, second) = (app.create_with_stock(1).await, app.create_with_stock(2).await);
    app.archive(first).await;
    let batch = app.batch_get(&[second, first, second, 99]).await;
    assert_eq!(ids(&batch), [first, second]);
    assert!(batch[0].archived && !batch[1].archived);
    assert!(app.batch_get(&[]).await.is_empty());

    let too_many = BatchGetProductsRequest { ids: (1..=201).collect() };
    assert_invalid(app.admin().batch_get_products(too_many).await, &["ids"]);
}
