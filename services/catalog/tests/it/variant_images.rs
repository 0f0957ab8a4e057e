//! Images of variants: each is one of the product's.

use bodega_proto::catalog::v1::{UpdateVariantRequest, Variant};

use crate::{
    image_fixtures::pngs,
    test_app::{TestApp, assert_invalid},
    variants::{request, three_sizes, variant},
};

#[tokio::test]
async fn a_variant_has_one_of_the_images_of_its_product() {
    let app = TestApp::start().await;
    let [small, medium, _] = three_sizes(&app).await;
    let images = app.add_images(small, &pngs(2)).await.unwrap().images;
    let [first, second] = [images[0].id, images[1].id];
    let update =
        |image_id| UpdateVariantRequest { id: medium, image_id: Some(image_id), ..Default::default() };
    let product = app.update_variant(update(second)).await.unwrap();
    assert_eq!(product.variants.iter().map(|size| size.image_id).collect::<Vec<_>>(), [0, second, 0]);
    assert_eq!(app.get(small).await.unwrap(), product);
    // Carts get it with the images of the product.
    let row = app.batch_get(&[medium]).await.remove(0);
    assert_eq!((row.variants[0].image_id, row.images.len()), (second, 2));

    let red = Variant { image_id: first, ..variant("A", "S", 100, 5) };
    let put = app.put_variants(request(small, &[red.clone(), variant("B", "M", 110, 6)])).await.unwrap();
    assert_eq!(put.variants.iter().map(|size| size.image_id).collect::<Vec<_>>(), [first, 0]);

    let other = app.create_with_stock(1).await;
    assert_invalid(app.put_variants(request(other, &[red])).await, &["variants[0].image_id"]);
    assert_invalid(app.update_variant(update(second + 1000)).await, &["image_id"]);
}

#[tokio::test]
async fn a_removed_image_is_no_longer_that_of_a_variant() {
    let app = TestApp::start().await;
    let [small, medium, _] = three_sizes(&app).await;
    let image_id = app.add_images(small, &pngs(1)).await.unwrap().images[0].id;
    let update = UpdateVariantRequest { id: medium, image_id: Some(image_id), ..Default::default() };
    let version = app.update_variant(update).await.unwrap().version;
    app.remove_image(small, image_id).await.unwrap();
    let product = app.get(small).await.unwrap();
    assert_eq!(product.variants[1].image_id, 0);
    assert!(product.version > version);
    app.archive(small).await;
}
