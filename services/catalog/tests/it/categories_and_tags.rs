//! Categories and tags.

use bodega_proto::catalog::v1::{
    Category, CreateCategoryRequest, CreateProductRequest, CreateTagRequest, DeleteCategoryRequest,
    DeleteTagRequest, GetCategoryRequest, GetTagRequest, ListCategoriesRequest, ListTagsRequest,
    UpdateCategoryRequest, UpdateTagRequest,
};
use tonic::Code;

use crate::test_catalog::{Shop, assert_invalid, by_id, product, refusal};

fn named(name: &str) -> CreateCategoryRequest {
    CreateCategoryRequest { name: name.to_owned() }
}

#[tokio::test]
async fn a_category_is_made_read_renamed_and_deleted() {
    let shop = Shop::open().await;
    let mut admin = shop.admin();
    let id = shop.category("  Kitchen ").await;
    let found = admin.get_category(GetCategoryRequest { id }).await.unwrap().into_inner().category.unwrap();
    assert_eq!(found, Category { id, name: "Kitchen".to_owned(), product_count: 0 });

    let rename = UpdateCategoryRequest { id, name: "Cooking".to_owned() };
    let renamed = admin.update_category(rename).await.unwrap().into_inner().category.unwrap();
    assert_eq!(renamed.name, "Cooking");

    admin.delete_category(DeleteCategoryRequest { id }).await.unwrap();
    let gone = (Code::NotFound, "category_not_found".to_owned());
    assert_eq!(refusal(admin.get_category(GetCategoryRequest { id }).await), gone);
    assert_eq!(refusal(admin.delete_category(DeleteCategoryRequest { id }).await), gone);
    let rename = UpdateCategoryRequest { id, name: "Else".to_owned() };
    assert_eq!(refusal(admin.update_category(rename).await), gone);
}

#[tokio::test]
async fn a_tag_is_made_read_renamed_and_deleted() {
    let shop = Shop::open().await;
    let mut admin = shop.admin();
    let id = shop.tag("red").await;
    let rename = UpdateTagRequest { id, name: "Scarlet".to_owned() };
    admin.update_tag(rename.clone()).await.unwrap();
    let found = admin.get_tag(GetTagRequest { id }).await.unwrap().into_inner().tag.unwrap();
    assert_eq!((found.name.as_str(), found.product_count), ("Scarlet", 0));

    admin.delete_tag(DeleteTagRequest { id }).await.unwrap();
    let gone = (Code::NotFound, "tag_not_found".to_owned());
    assert_eq!(refusal(admin.get_tag(GetTagRequest { id }).await), gone);
    assert_eq!(refusal(admin.delete_tag(DeleteTagRequest { id }).await), gone);
    assert_eq!(refusal(admin.update_tag(rename).await), gone);
}

#[tokio::test]
async fn a_name_is_taken_without_regard_to_case_and_space() {
    let shop = Shop::open().await;
    let mut admin = shop.admin();
    shop.category("Café").await;
    let other = shop.category("Bar").await;
    let taken = (Code::AlreadyExists, "category_exists".to_owned());
    assert_eq!(refusal(admin.create_category(named(" CAFÉ ")).await), taken);
    assert_eq!(refusal(admin.create_category(named("Cafe\u{301}")).await), taken);
    let rename = UpdateCategoryRequest { id: other, name: "café".to_owned() };
    assert_eq!(refusal(admin.update_category(rename).await), taken);

    let tag = shop.tag("Red").await;
    let taken = (Code::AlreadyExists, "tag_exists".to_owned());
    let again = CreateTagRequest { name: "rED".to_owned() };
    assert_eq!(refusal(admin.create_tag(again).await), taken);
    // Its own name, in other letters, is free for it.
    admin.update_tag(UpdateTagRequest { id: tag, name: "RED".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn a_name_has_1_to_100_characters_in_one_line() {
    let shop = Shop::open().await;
    let mut admin = shop.admin();
    for name in ["", "  ", "a\nb", "a\0b", &"é".repeat(101)] {
        assert_invalid(admin.create_category(named(name)).await, &["name"]);
        assert_invalid(admin.create_tag(CreateTagRequest { name: name.to_owned() }).await, &["name"]);
    }
    admin.create_category(named(&"é".repeat(100))).await.unwrap();
}

#[tokio::test]
async fn categories_and_tags_count_the_products_that_are_sold() {
    let shop = Shop::open().await;
    let (category, tag) = (shop.category("Kitchen").await, shop.tag("red").await);
    let wanted =
        CreateProductRequest { category: Some(by_id(category)), tag_ids: vec![tag], ..product("Mug") };
    shop.create(wanted.clone()).await;
    let archived = shop.create(wanted).await;
    shop.create(product("Else")).await;
    shop.archive(archived.id).await;

    let mut client = shop.acting_as(None);
    let categories = client.list_categories(ListCategoriesRequest::default()).await.unwrap().into_inner();
    assert_eq!(categories.categories[0].product_count, 1);
    let tags = client.list_tags(ListTagsRequest::default()).await.unwrap().into_inner();
    assert_eq!(tags.tags[0].product_count, 1);
}

#[tokio::test]
async fn categories_come_in_pages_by_id() {
    let shop = Shop::open().await;
    let mut client = shop.acting_as(None);
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(shop.category(&format!("c{number}")).await);
    }
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = ListCategoriesRequest { limit: 2, cursor };
        let page = client.list_categories(request).await.unwrap().into_inner();
        assert!(page.categories.len() <= 2);
        found.extend(page.categories.iter().map(|category| category.id));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(found, made);

    let request = ListCategoriesRequest { limit: 101, cursor: String::new() };
    let refused = refusal(client.list_categories(request).await);
    assert_eq!(refused, (Code::OutOfRange, "invalid_limit".to_owned()));
    let request = ListTagsRequest { limit: 1, cursor: "?".to_owned() };
    assert_eq!(refusal(client.list_tags(request).await), (Code::OutOfRange, "invalid_cursor".to_owned()));
}

#[tokio::test]
async fn products_stay_when_their_category_and_tags_are_deleted() {
    let shop = Shop::open().await;
    let (category, tag, other) =
        (shop.category("Kitchen").await, shop.tag("red").await, shop.tag("big").await);
    let made = shop
        .create(CreateProductRequest {
            category: Some(by_id(category)),
            tag_ids: vec![tag, other],
            ..product("Mug")
        })
        .await;
    shop.admin().delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    shop.admin().delete_tag(DeleteTagRequest { id: tag }).await.unwrap();
    let left = shop.get(made.id).await.unwrap();
    assert_eq!(left.category, None);
    assert_eq!(left.tags.iter().map(|tag| tag.id).collect::<Vec<_>>(), [other]);
}
