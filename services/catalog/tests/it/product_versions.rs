//! The version of a product grows with every visible change.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteCategoryRequest, DeleteTagRequest, UpdateCategoryRequest,
    UpdateProductRequest, UpdateTagRequest,
};
use uuid::Uuid;

use crate::{
    image_fixtures::pngs,
    test_catalog::{TestCatalog, by_id, product, update_request},
};

/// The last known version of a product.
struct VersionCheck<'a> {
    catalog: &'a TestCatalog,
    id: i32,
    version: i64,
}

impl VersionCheck<'_> {
    async fn version(&self) -> i64 {
        self.catalog.batch(&[self.id]).await[0].version
    }

    #[track_caller]
    fn assert_raised(&mut self, version: i64, by: &str) {
        assert!(version > self.version, "not raised by {by}");
        self.version = version;
    }
}

#[tokio::test]
async fn every_visible_change_raises_the_version() {
    let catalog = TestCatalog::start().await;
    let (category, tag) = (catalog.category("Kitchen").await, catalog.tag("red").await);
    let created = catalog
        .create(CreateProductRequest {
            stock: 9,
            category: Some(by_id(category)),
            tag_ids: vec![tag],
            ..product("Mug")
        })
        .await;
    let other = catalog.stocked(1).await;
    let mut check = VersionCheck { catalog: &catalog, id: created.id, version: created.version };
    let mut admin = catalog.admin();

    catalog
        .update(UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(created.id) })
        .await
        .unwrap();
    check.assert_raised(check.version().await, "an edit");
    catalog
        .update(UpdateProductRequest { image_url: Some("/a".to_owned()), ..update_request(created.id) })
        .await
        .unwrap();
    check.assert_raised(check.version().await, "an image");
    let images = catalog.add_images(created.id, &pngs(1)).await.unwrap().images;
    check.assert_raised(check.version().await, "an upload");
    catalog.remove_image(created.id, images[1].id).await.unwrap();
    check.assert_raised(check.version().await, "a removed image");
    let order_id = Uuid::now_v7();
    catalog.reserve(order_id, &[(created.id, 1)]).await;
    check.assert_raised(check.version().await, "a reservation");
    catalog.release(order_id).await;
    check.assert_raised(check.version().await, "a release");
    admin.update_category(UpdateCategoryRequest { id: category, name: "A".to_owned() }).await.unwrap();
    check.assert_raised(check.version().await, "a category's new name");
    admin.update_tag(UpdateTagRequest { id: tag, name: "b".to_owned() }).await.unwrap();
    check.assert_raised(check.version().await, "a tag's new name");
    admin.delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    check.assert_raised(check.version().await, "a deleted category");
    admin.delete_tag(DeleteTagRequest { id: tag }).await.unwrap();
    check.assert_raised(check.version().await, "a deleted tag");
    catalog.archive(created.id).await;
    check.assert_raised(check.version().await, "the archive");

    assert_eq!(catalog.get(other).await.unwrap().version, 1);
}
