//! Making and reading products.

use bodega_proto::catalog::v1::{
    BatchGetProductsRequest, CreateProductRequest, GetCategoryRequest, IdOrName,
};
use tonic::Code;

use crate::test_catalog::{Shop, assert_invalid, by_id, by_name, ids, product, refusal};

#[tokio::test]
async fn a_product_is_read_as_it_was_made() {
    let shop = Shop::open().await;
    let category = shop.category("Kitchen").await;
    let (zinc, amber) = (shop.tag("zinc").await, shop.tag("Amber").await);
    let made = shop
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
    assert_eq!(shop.get(made.id).await.unwrap(), made);
    assert_eq!((made.name.as_str(), made.description.as_str()), ("Mug", "Holds tea.\nAnd coffee."));
    assert_eq!((made.price_minor, made.currency.as_str(), made.stock), (1999, "USD", 7));
    assert_eq!(made.category.unwrap().name, "Kitchen");
    assert_eq!(made.tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), ["Amber", "zinc"]);
    assert_eq!(
        made.images.iter().map(|image| image.url.as_str()).collect::<Vec<_>>(),
        ["https://example.com/mug.png"]
    );
    assert_eq!((made.version, made.archived, made.created_at), (1, false, made.updated_at));
    assert_eq!(shop.movements(made.id).await, [("initial".to_owned(), 7)]);
}

#[tokio::test]
async fn a_product_needs_a_name_only() {
    let shop = Shop::open().await;
    let made = shop.create(CreateProductRequest { name: "Air".to_owned(), ..Default::default() }).await;
    assert_eq!((made.price_minor, made.stock, made.currency.as_str()), (0, 0, "USD"));
    assert!(made.category.is_none() && made.tags.is_empty() && made.images.is_empty());
    assert!(shop.movements(made.id).await.is_empty());
    // Names need not be unique.
    shop.create(product("Air")).await;
}

#[tokio::test]
async fn every_field_out_of_bounds_is_refused_at_once() {
    let shop = Shop::open().await;
    let outcome = shop
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
    for (field, wanted) in [
        ("name", CreateProductRequest { name: "é".repeat(201), ..product("") }),
        ("description", CreateProductRequest { description: "\0".to_owned(), ..product("a") }),
        ("price_minor", CreateProductRequest { price_minor: 1_000_000_000_001, ..product("a") }),
        ("stock", CreateProductRequest { stock: 1_000_000_001, ..product("a") }),
        ("image_url", CreateProductRequest { image_url: format!("/{}", "x".repeat(2_000)), ..product("a") }),
    ] {
        assert_invalid(shop.try_create(wanted).await, &[field]);
    }
    shop.create(CreateProductRequest {
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
async fn an_unknown_category_or_tag_is_refused_and_nothing_is_made() {
    let shop = Shop::open().await;
    let tag = shop.tag("red").await;
    let outcome = shop
        .try_create(CreateProductRequest {
            category: Some(by_id(99)),
            tag_ids: vec![tag, 99],
            ..product("Mug")
        })
        .await;
    assert_invalid(outcome, &["category", "tag_ids"]);
    assert!(shop.list(Default::default()).await.is_empty());
}

#[tokio::test]
async fn a_category_named_by_a_product_is_made_once() {
    let shop = Shop::open().await;
    let make = |name: &'static str| CreateProductRequest { category: Some(by_name(name)), ..product("Mug") };
    let first = shop.create(make("Kitchen")).await.category.unwrap();
    let second = shop.create(make(" kitchen ")).await.category.unwrap();
    assert_eq!(first, second);
    assert_eq!(first.name, "Kitchen");
    let found = shop.admin().get_category(GetCategoryRequest { id: first.id }).await.unwrap().into_inner();
    assert_eq!(found.category.unwrap().product_count, 2);
    let none = CreateProductRequest { category: Some(IdOrName::default()), ..product("Mug") };
    assert_eq!(shop.create(none).await.category, None);
}

#[tokio::test]
async fn an_unknown_or_archived_product_is_not_found() {
    let shop = Shop::open().await;
    let gone = (Code::NotFound, "product_not_found".to_owned());
    assert_eq!(refusal(shop.get(1).await), gone);
    let id = shop.stocked(1).await;
    shop.archive(id).await;
    assert_eq!(refusal(shop.get(id).await), gone);
    assert!(shop.list(Default::default()).await.is_empty());
}

#[tokio::test]
async fn a_batch_has_each_product_once_by_id_archived_ones_included() {
    let shop = Shop::open().await;
    let (first, second) = (shop.stocked(1).await, shop.stocked(2).await);
    shop.archive(first).await;
    let batch = shop.batch(&[second, first, second, 99]).await;
    assert_eq!(ids(&batch), [first, second]);
    assert!(batch[0].archived && !batch[1].archived);
    assert!(shop.batch(&[]).await.is_empty());

    let too_many = BatchGetProductsRequest { ids: (1..=201).collect() };
    assert_invalid(shop.admin().batch_get_products(too_many).await, &["ids"]);
}
