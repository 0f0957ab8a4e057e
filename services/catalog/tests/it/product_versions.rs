//! The version of a product grows with every visible change.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteCategoryRequest, DeleteTagRequest, UpdateCategoryRequest,
    UpdateProductRequest, UpdateTagRequest,
};
use uuid::Uuid;

use crate::{
    image_fixtures::pngs,
    test_app::{TestApp, by_id, product, update_request},
};

/// The last known version of a product.
struct VersionCheck<'a> {
    app: &'a TestApp,
    id: i32,
    version: i64,
}

impl VersionCheck<'_> {
    async fn version(&self) -> i64 {
        self.app.batch_get(&[self.id]).await[0].version
    }

    #[track_caller]
    fn assert_raised(&mut self, version: i64, by: &str) {
        assert!(version > self.version, "not raised by {by}");
        self.version = version;
    }
}

#[tokio::test]
async fn every_visible_change_raises_the_version() {
    let app = TestApp::start().await;
    let (category, tag) = (app.create_category("Kitchen").await, app.create_tag("red").await);
    let created = app
        .create(CreateProductRequest {
            stock: 9,
            category: Some(by_id(category)),
            tag_ids: vec![tag],
            ..product("Mug")
        })
        .await;
    let other = app.create_with_stock(1).await;
    let mut check = VersionCheck { app: &app, id: created.id, version: created.version };
    let mut admin = app.admin();

    app.update(UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(created.id) })
        .await
        .unwrap();
    check.assert_raised(check.version().await, "an edit");
    app.update(UpdateProductRequest { image_url: Some("/a".to_owned()), ..update_request(created.id) })
        .await
        .unwrap();
    check.assert_raised(check.version().await, "an image");
    let images = app.add_images(created.id, &pngs(1)).await.unwrap().images;
    check.assert_raised(check.version().await, "an upload");
    app.remove_image(created.id, images[1].id).await.unwrap();
    check.assert_raised(check.version().await, "a removed image");
    let order_id = Uuid::now_v7();
    app.reserve(order_id, &[(created.id, 1)]).await;
    check.assert_raised(check.version().await, "a reservation");
    app.release(order_id).await;
    check.assert_raised(check.version().await, "a release");
    admin.update_category(UpdateCategoryRequest { id: category, name: "A".to_owned() }).await.unwrap();
    check.assert_raised(check.version().await, "a category's new name");
    admin.update_tag(UpdateTagRequest { id: tag, name: "b".to_owned() }).await.unwrap();
    check.assert_raised(check.version().await, "a tag's new name");
    admin.delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    check.assert_raised(check.version().await, "a deleted category");
    admin.delete_tag(DeleteTagRequest { id: tag }).await.unwrap();
    check.assert_raised(check.version().await, "a deleted tag");
    app.archive(created.id).await;
    check.assert_raised(check.version().await, "the archive");

    assert_eq!(app.get(other).await.unwrap().version, 1);
}
