//! Categories and tags.

use bodega_proto::catalog::v1::{
    Category, CreateCategoryRequest, CreateProductRequest, CreateTagRequest, DeleteCategoryRequest,
    DeleteTagRequest, GetCategoryRequest, GetTagRequest, ListCategoriesRequest, ListTagsRequest,
    UpdateCategoryRequest, UpdateTagRequest,
};
use tonic::Code;

use crate::test_app::{TestApp, assert_invalid, by_id, product, rejection};

fn named(name: &str) -> CreateCategoryRequest {
    CreateCategoryRequest { name: name.to_owned() }
}

#[tokio::test]
async fn creates_reads_renames_and_deletes_a_category() {
    let app = TestApp::start().await;
    let mut admin = app.admin();
    let id = app.create_category("  Kitchen ").await;
    let found = admin.get_category(GetCategoryRequest { id }).await.unwrap().into_inner().category.unwrap();
    assert_eq!(found, Category { id, name: "Kitchen".to_owned(), product_count: 0 });

    let rename = UpdateCategoryRequest { id, name: "Cooking".to_owned() };
    let renamed = admin.update_category(rename).await.unwrap().into_inner().category.unwrap();
    assert_eq!(renamed.name, "Cooking");

    admin.delete_category(DeleteCategoryRequest { id }).await.unwrap();
    let not_found = (Code::NotFound, "category_not_found".to_owned());
    assert_eq!(rejection(admin.get_category(GetCategoryRequest { id }).await), not_found);
    assert_eq!(rejection(admin.delete_category(DeleteCategoryRequest { id }).await), not_found);
    let rename = UpdateCategoryRequest { id, name: "Else".to_owned() };
    assert_eq!(rejection(admin.update_category(rename).await), not_found);
}

#[tokio::test]
async fn creates_reads_renames_and_deletes_a_tag() {
    let app = TestApp::start().await;
    let mut admin = app.admin();
    let id = app.create_tag("red").await;
    let rename = UpdateTagRequest { id, name: "Scarlet".to_owned() };
    admin.update_tag(rename.clone()).await.unwrap();
    let found = admin.get_tag(GetTagRequest { id }).await.unwrap().into_inner().tag.unwrap();
    assert_eq!((found.name.as_str(), found.product_count), ("Scarlet", 0));

    admin.delete_tag(DeleteTagRequest { id }).await.unwrap();
    let not_found = (Code::NotFound, "tag_not_found".to_owned());
    assert_eq!(rejection(admin.get_tag(GetTagRequest { id }).await), not_found);
    assert_eq!(rejection(admin.delete_tag(DeleteTagRequest { id }).await), not_found);
    assert_eq!(rejection(admin.update_tag(rename).await), not_found);
}

#[tokio::test]
async fn names_are_unique_regardless_of_case_and_whitespace() {
    let app = TestApp::start().await;
    let mut admin = app.admin();
    app.create_category("Café").await;
    let other = app.create_category("Bar").await;
    let taken = (Code::AlreadyExists, "category_exists".to_owned());
    assert_eq!(rejection(admin.create_category(named(" CAFÉ ")).await), taken);
    assert_eq!(rejection(admin.create_category(named("Cafe\u{301}")).await), taken);
    let rename = UpdateCategoryRequest { id: other, name: "café".to_owned() };
    assert_eq!(rejection(admin.update_category(rename).await), taken);

    let tag = app.create_tag("Red").await;
    let taken = (Code::AlreadyExists, "tag_exists".to_owned());
    let again = CreateTagRequest { name: "rED".to_owned() };
    assert_eq!(rejection(admin.create_tag(again).await), taken);
    // A tag can be renamed to its own name in another case.
    admin.update_tag(UpdateTagRequest { id: tag, name: "RED".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn rejects_invalid_names() {
    let app = TestApp::start().await;
    let mut admin = app.admin();
    for name in ["", "  ", "a\nb", "a\0b", &"é".repeat(101)] {
        assert_invalid(admin.create_category(named(name)).await, &["name"]);
        assert_invalid(admin.create_tag(CreateTagRequest { name: name.to_owned() }).await, &["name"]);
    }
    admin.create_category(named(&"é".repeat(100))).await.unwrap();
}

#[tokio::test]
async fn counts_products_that_are_not_archived() {
    let app = TestApp::start().await;
    let (category, tag) = (app.create_category("Kitchen").await, app.create_tag("red").await);
    let request =
        CreateProductRequest { category: Some(by_id(category)), tag_ids: vec![tag], ..product("Mug") };
    app.create(request.clone()).await;
    let archived = app.create(request).await;
    app.create(product("Else")).await;
    app.archive(archived.id).await;

    let mut client = app.client_of(None);
    let categories = client.list_categories(ListCategoriesRequest::default()).await.unwrap().into_inner();
    assert_eq!(categories.categories[0].product_count, 1);
    let tags = client.list_tags(ListTagsRequest::default()).await.unwrap().into_inner();
    assert_eq!(tags.tags[0].product_count, 1);
}

#[tokio::test]
async fn paginates_categories_by_id() {
    let app = TestApp::start().await;
    let mut client = app.client_of(None);
    let mut created = Vec::new();
    for number in 0..5 {
        created.push(app.create_category(&format!("c{number}")).await);
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
    assert_eq!(found, created);

    let request = ListCategoriesRequest { limit: 101, cursor: String::new() };
    let rejected = rejection(client.list_categories(request).await);
    assert_eq!(rejected, (Code::OutOfRange, "invalid_limit".to_owned()));
    let request = ListTagsRequest { limit: 1, cursor: "?".to_owned() };
    assert_eq!(rejection(client.list_tags(request).await), (Code::OutOfRange, "invalid_cursor".to_owned()));
}

#[tokio::test]
async fn deleting_a_category_or_tag_keeps_its_products() {
    let app = TestApp::start().await;
    let (category, tag, other) =
        (app.create_category("Kitchen").await, app.create_tag("red").await, app.create_tag("big").await);
    let created = app
        .create(CreateProductRequest {
            category: Some(by_id(category)),
            tag_ids: vec![tag, other],
            ..product("Mug")
        })
        .await;
    app.admin().delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    app.admin().delete_tag(DeleteTagRequest { id: tag }).await.unwrap();
    let remaining = app.get(created.id).await.unwrap();
    assert_eq!(remaining.category, None);
    assert_eq!(remaining.tags.iter().map(|tag| tag.id).collect::<Vec<_>>(), [other]);
}
