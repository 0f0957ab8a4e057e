//! Changing and archiving products.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, IdOrName, Product, TagIds, UpdateProductRequest,
};
use tonic::Code;

use crate::{
    image_fixtures::urls,
    test_catalog::{Shop, assert_invalid, by_id, by_name, changes, product, refusal},
};

#[tokio::test]
async fn a_change_changes_what_it_names_and_nothing_else() {
    let shop = Shop::open().await;
    let category = shop.category("Kitchen").await;
    let made = shop
        .create(CreateProductRequest {
            description: "Holds tea".to_owned(),
            stock: 3,
            category: Some(by_id(category)),
            tag_ids: vec![shop.tag("red").await],
            image_url: "/a.png".to_owned(),
            ..product("Mug")
        })
        .await;
    let changed =
        shop.update(UpdateProductRequest { price_minor: Some(5), ..changes(made.id) }).await.unwrap();
    assert!(changed.version > made.version && changed.updated_at != made.updated_at);
    let expected =
        Product { price_minor: 5, version: changed.version, updated_at: changed.updated_at, ..made.clone() };
    assert_eq!(changed, expected);
    assert_eq!(shop.get(made.id).await.unwrap(), changed);

    let changed = shop
        .update(UpdateProductRequest {
            name: Some("Cup".to_owned()),
            description: Some(String::new()),
            currency: Some("USD".to_owned()),
            ..changes(made.id)
        })
        .await
        .unwrap();
    assert_eq!((changed.name.as_str(), changed.description.as_str()), ("Cup", ""));
}

#[tokio::test]
async fn tags_and_category_are_replaced_and_taken_off() {
    let shop = Shop::open().await;
    let (red, big, old) = (shop.tag("red").await, shop.tag("big").await, shop.tag("old").await);
    let id = shop.create(CreateProductRequest { tag_ids: vec![red, big], ..product("Mug") }).await.id;
    let set_tags = |ids: Vec<i32>| UpdateProductRequest { tag_ids: Some(TagIds { ids }), ..changes(id) };
    let tags = |product: Product| product.tags.iter().map(|tag| tag.id).collect::<Vec<_>>();
    assert_eq!(tags(shop.update(set_tags(vec![old, big])).await.unwrap()), [big, old]);
    assert_invalid(shop.update(set_tags(vec![red, 99])).await, &["tag_ids"]);
    assert_eq!(tags(shop.get(id).await.unwrap()), [big, old]);
    assert_eq!(tags(shop.update(set_tags(vec![])).await.unwrap()), [0; 0]);

    let set_category = |category: IdOrName| UpdateProductRequest { category: Some(category), ..changes(id) };
    let named = shop.update(set_category(by_name("New"))).await.unwrap();
    assert_eq!(named.category.unwrap().name, "New");
    assert_invalid(shop.update(set_category(by_id(99))).await, &["category"]);
    assert_eq!(shop.update(set_category(IdOrName::default())).await.unwrap().category, None);
}

#[tokio::test]
async fn an_image_url_takes_the_place_of_the_first_image() {
    let shop = Shop::open().await;
    let id = shop.create(product("Mug")).await.id;
    let set = |url: &str| UpdateProductRequest { image_url: Some(url.to_owned()), ..changes(id) };
    assert!(urls(&shop.update(set("")).await.unwrap()).is_empty());
    assert_eq!(urls(&shop.update(set("/a.png")).await.unwrap()), ["/a.png"]);
    sqlx::query("insert into catalog.product_images (product_id, url, position) values ($1, '/b.png', 1)")
        .bind(id)
        .execute(&shop.db)
        .await
        .unwrap();
    assert_eq!(urls(&shop.update(set("/c.png")).await.unwrap()), ["/c.png", "/b.png"]);
    assert_eq!(urls(&shop.update(set("")).await.unwrap()), ["/b.png"]);
    assert_invalid(shop.update(set("b.png")).await, &["image_url"]);
}

#[tokio::test]
async fn stock_is_set_to_an_amount_and_the_ledger_has_the_difference() {
    let shop = Shop::open().await;
    let id = shop.stocked(5).await;
    for (stock, now) in [(2, 2), (2, 2), (9, 9)] {
        let changed = shop.update(UpdateProductRequest { stock: Some(stock), ..changes(id) }).await.unwrap();
        assert_eq!(changed.stock, now);
    }
    let expected = [("initial", 5), ("adjusted", -3), ("adjusted", 7)];
    assert_eq!(shop.movements(id).await, expected.map(|(reason, delta)| (reason.to_owned(), delta)));
}

#[tokio::test]
async fn changes_out_of_bounds_are_refused_at_once() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let outcome = shop
        .update(UpdateProductRequest {
            name: Some(" ".to_owned()),
            description: Some("x".repeat(10_001)),
            price_minor: Some(-1),
            currency: Some("EUR".to_owned()),
            stock: Some(-1),
            ..changes(id)
        })
        .await;
    assert_invalid(outcome, &["currency", "price_minor", "stock", "name", "description"]);
    assert_eq!(shop.get(id).await.unwrap().version, 1);
}

#[tokio::test]
async fn a_change_of_another_version_is_refused() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let rename = |version: i64| UpdateProductRequest {
        name: Some("Cup".to_owned()),
        expected_version: Some(version),
        ..changes(id)
    };
    let version = shop.update(rename(1)).await.unwrap().version;
    let mismatch = (Code::Aborted, "version_mismatch".to_owned());
    assert_eq!(refusal(shop.update(rename(1)).await), mismatch);
    let delete = |version: i64| DeleteProductRequest { id, expected_version: Some(version) };
    assert_eq!(refusal(shop.admin().delete_product(delete(1)).await), mismatch);
    shop.admin().delete_product(delete(version)).await.unwrap();
}

#[tokio::test]
async fn what_is_unknown_or_archived_cannot_be_changed_or_archived() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    shop.archive(id).await;
    let gone = (Code::NotFound, "product_not_found".to_owned());
    for id in [id, 99] {
        // Told before what else is wrong with the request.
        let tags = TagIds { ids: vec![99] };
        let change = UpdateProductRequest { tag_ids: Some(tags), expected_version: Some(7), ..changes(id) };
        assert_eq!(refusal(shop.update(change).await), gone);
        let delete = DeleteProductRequest { id, expected_version: None };
        assert_eq!(refusal(shop.admin().delete_product(delete).await), gone);
    }
}
