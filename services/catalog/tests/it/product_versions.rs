//! A product's version grows with everything a reader sees of it.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteCategoryRequest, DeleteTagRequest, UpdateCategoryRequest,
    UpdateProductRequest, UpdateTagRequest,
};
use uuid::Uuid;

use crate::{
    image_fixtures::pngs,
    test_catalog::{Shop, by_id, changes, product},
};

/// Follows the version of one product.
struct Watch<'a> {
    shop: &'a Shop,
    id: i32,
    version: i64,
}

impl Watch<'_> {
    async fn version(&self) -> i64 {
        self.shop.batch(&[self.id]).await[0].version
    }

    #[track_caller]
    fn grew_to(&mut self, version: i64, by: &str) {
        assert!(version > self.version, "not by {by}");
        self.version = version;
    }
}

#[tokio::test]
async fn every_change_that_readers_see_raises_the_version() {
    let shop = Shop::open().await;
    let (category, tag) = (shop.category("Kitchen").await, shop.tag("red").await);
    let made = shop
        .create(CreateProductRequest {
            stock: 9,
            category: Some(by_id(category)),
            tag_ids: vec![tag],
            ..product("Mug")
        })
        .await;
    let bystander = shop.stocked(1).await;
    let mut watch = Watch { shop: &shop, id: made.id, version: made.version };
    let mut admin = shop.admin();

    shop.update(UpdateProductRequest { name: Some("Cup".to_owned()), ..changes(made.id) }).await.unwrap();
    watch.grew_to(watch.version().await, "an edit");
    shop.update(UpdateProductRequest { image_url: Some("/a".to_owned()), ..changes(made.id) }).await.unwrap();
    watch.grew_to(watch.version().await, "an image");
    let pictures = shop.add_images(made.id, &pngs(1)).await.unwrap().images;
    watch.grew_to(watch.version().await, "a picture");
    shop.remove_image(made.id, pictures[1].id).await.unwrap();
    watch.grew_to(watch.version().await, "a removed picture");
    let order_id = Uuid::now_v7();
    shop.reserve(order_id, &[(made.id, 1)]).await;
    watch.grew_to(watch.version().await, "a reservation");
    shop.release(order_id).await;
    watch.grew_to(watch.version().await, "a release");
    admin.update_category(UpdateCategoryRequest { id: category, name: "A".to_owned() }).await.unwrap();
    watch.grew_to(watch.version().await, "a category's new name");
    admin.update_tag(UpdateTagRequest { id: tag, name: "b".to_owned() }).await.unwrap();
    watch.grew_to(watch.version().await, "a tag's new name");
    admin.delete_category(DeleteCategoryRequest { id: category }).await.unwrap();
    watch.grew_to(watch.version().await, "a deleted category");
    admin.delete_tag(DeleteTagRequest { id: tag }).await.unwrap();
    watch.grew_to(watch.version().await, "a deleted tag");
    shop.archive(made.id).await;
    watch.grew_to(watch.version().await, "the archive");

    assert_eq!(shop.get(bystander).await.unwrap().version, 1);
}
