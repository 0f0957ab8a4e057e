//! The limit of product images.

use bodega_runtime::{
    auth::{Caller, Role},
    rate_limit::{Policy, limits},
    status,
};
use futures_util::stream;
use tonic::Status;
use uuid::Uuid;

use crate::{
    image_fixtures::{pngs, upload},
    test_app::{Client, TestApp},
};

async fn add(mut client: Client, product: i32, images: &[Vec<u8>]) -> Result<(), Status> {
    client.add_product_images(stream::iter(upload(product, images))).await.map(drop)
}

#[tokio::test]
async fn the_images_of_an_admin_are_limited() {
    let app = TestApp::start().await;
    let product = app.create_with_stock(1).await;
    let (limit, admin_id) = (limits::PRODUCT_IMAGES, Uuid::now_v7());
    let admin = app.client_as(Some(Caller::new(admin_id, Uuid::now_v7(), Role::Admin)));
    // Other replicas have granted all uses that replicas share.
    sqlx::query(
        "insert into catalog.rate_limits (key, restored_at)
         values (substring(sha256(convert_to($1, 'utf8')) for 16), now() + interval '7 days')",
    )
    .bind(format!("{} {admin_id}", limit.name))
    .execute(&app.db)
    .await
    .unwrap();

    // An image that is rejected counts as well, since it may cost as much.
    let mut rejected = 0;
    let policy = loop {
        let status = add(admin.clone(), product, &[b"no image".to_vec()]).await.unwrap_err();
        match Policy::of(&status) {
            Some(policy) => break policy,
            None => assert_eq!(status::reason(&status), "unsupported_image"),
        }
        rejected += 1;
        assert!(rejected < limit.burst, "the replica's own quarter is not limited");
    };
    assert_eq!((policy.limit.as_str(), policy.quota), ("product_images", 3000));
    assert!((limit.burst / 4..limit.burst / 4 + 20).contains(&rejected), "{rejected}");
    assert!(Policy::of(&add(admin, product, &pngs(1)).await.unwrap_err()).is_some());
    assert!(app.get(product).await.unwrap().images.is_empty());
    let others = app.client_of(Some(Role::Admin));
    add(others, product, &pngs(2)).await.unwrap();
}
