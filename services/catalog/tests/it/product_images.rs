//! Images of products: stored ones, and external ones on other hosts.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, Image, ListProductsRequest, Product, UpdateProductRequest,
};
use futures_util::future::join_all;
use tonic::{Code, Status};

use crate::{
    image_fixtures::{files_of, png, pngs, urls},
    test_app::{TestApp, product, rejection, update_request},
};

const EXTERNAL: &str = "https://images.example/mug.png";

fn image_not_found() -> (Code, String) {
    (Code::NotFound, "image_not_found".to_owned())
}

impl TestApp {
    async fn set_image_url(&self, id: i32, url: &str) -> Product {
        let request = UpdateProductRequest { image_url: Some(url.to_owned()), ..update_request(id) };
        self.update(request).await.unwrap()
    }

    /// The shades of a product's images.
    fn shades(&self, product: &Product) -> Vec<u8> {
        urls(product).into_iter().map(|url| self.shade(url)).collect()
    }
}

#[tokio::test]
async fn returns_images_in_upload_order_from_every_read() {
    let app = TestApp::start().await;
    let created = app.create(product("Mug")).await;
    let first = app.add_images(created.id, &[png(600, 1), png(8, 2)]).await.unwrap();
    assert!(first.version > created.version && first.updated_at != created.updated_at);
    assert_eq!(app.shades(&first), [1, 2]);
    let second = app.add_images(created.id, &pngs(10)).await.unwrap();
    assert_eq!(second.images[..2], first.images);
    assert_eq!(app.shades(&second)[2..], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(app.files(), files_of(&second));

    let side = |link: &str| {
        let bytes = std::fs::read(app.storage().join(link.strip_prefix("/media/").unwrap())).unwrap();
        image::load_from_memory(&bytes).unwrap().width()
    };
    assert_eq!((side(&first.images[0].url), side(&first.images[0].thumbnail_url)), (600, 400));

    assert_eq!(app.get(created.id).await.unwrap(), second);
    assert_eq!(app.batch_get(&[created.id]).await, std::slice::from_ref(&second));
    for q in ["", "mug"] {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        let listed = app.client_of(None).list_products(request).await.unwrap().into_inner().products;
        assert_eq!(listed, std::slice::from_ref(&second));
    }
}

#[tokio::test]
async fn adds_uploads_after_an_external_image_without_a_thumbnail() {
    let app = TestApp::start().await;
    let request = CreateProductRequest { image_url: EXTERNAL.to_owned(), ..product("Mug") };
    let created = app.create(request).await;
    let external = created.images[0].clone();
    assert_eq!((external.url.as_str(), external.thumbnail_url.as_str()), (EXTERNAL, EXTERNAL));
    let with_upload = app.add_images(created.id, &[png(8, 1)]).await.unwrap();
    assert_eq!(with_upload.images[0], external);
    assert_eq!(with_upload.images.len(), 2);
    app.remove_image(created.id, external.id).await.unwrap();
    assert_eq!(app.get(created.id).await.unwrap().images, with_upload.images[1..]);
}

#[tokio::test]
async fn removes_an_image_and_keeps_the_order_of_the_others() {
    let app = TestApp::start().await;
    let (mug, cup) = (app.create_with_stock(1).await, app.create_with_stock(1).await);
    let before = app.add_images(mug, &pngs(3)).await.unwrap();
    let middle = before.images[1].id;
    assert_eq!(rejection(app.remove_image(cup, middle).await), image_not_found());
    app.remove_image(mug, middle).await.unwrap();
    let after = app.get(mug).await.unwrap();
    assert_eq!(app.shades(&after), [0, 2]);
    assert!(after.version > before.version && after.updated_at != before.updated_at);
    assert_eq!(rejection(app.remove_image(mug, middle).await), image_not_found());
    assert_eq!(app.get(mug).await.unwrap(), after);
    let not_found = (Code::NotFound, "product_not_found".to_owned());
    assert_eq!(rejection(app.remove_image(99, middle).await), not_found);

    let more = app.add_images(mug, &[png(8, 7)]).await.unwrap();
    assert_eq!(app.shades(&more), [0, 2, 7]);
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&more));
}

#[tokio::test]
async fn setting_the_current_image_url_keeps_all_images() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let before = app.add_images(id, &pngs(2)).await.unwrap();
    let after = app.set_image_url(id, &before.images[0].url).await;
    assert_eq!(after.images, before.images);
    let external = app.set_image_url(id, EXTERNAL).await;
    assert_eq!(app.set_image_url(id, EXTERNAL).await.images, external.images);
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), app.referenced_files().await);
    assert_eq!(app.shade(&before.images[1].url), 1);
}

#[tokio::test]
async fn deletes_a_first_image_that_is_replaced_or_removed() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let before = app.add_images(id, &pngs(3)).await.unwrap();
    let replaced = app.set_image_url(id, EXTERNAL).await;
    assert_eq!(urls(&replaced)[0], EXTERNAL);
    assert_eq!(replaced.images[1..], before.images[1..]);
    assert_eq!(app.set_image_url(id, "").await.images, before.images[1..]);
    assert_eq!(app.set_image_url(id, "").await.images, before.images[2..]);
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), app.referenced_files().await);
    assert_eq!(app.files().len(), 2);
}

#[tokio::test]
async fn moves_an_existing_image_to_the_front() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let before = app.add_images(id, &pngs(3)).await.unwrap();
    let [_, second, third]: &[Image; 3] = before.images.as_slice().try_into().unwrap();
    let after = app.set_image_url(id, &third.url).await;
    assert_eq!(after.images, [third.clone(), second.clone()]);
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&after));
    app.remove_image(id, third.id).await.unwrap();
    assert_eq!(app.get(id).await.unwrap().images, std::slice::from_ref(second));
}

#[tokio::test]
async fn archiving_deletes_stored_images_and_keeps_external_ones() {
    let app = TestApp::start().await;
    let request = CreateProductRequest { image_url: EXTERNAL.to_owned(), ..product("Mug") };
    let (mug, cup) = (app.create(request).await.id, app.create_with_stock(1).await);
    app.add_images(mug, &pngs(2)).await.unwrap();
    let kept = app.add_images(cup, &pngs(1)).await.unwrap();
    let stale = DeleteProductRequest { id: mug, expected_version: Some(1) };
    assert_eq!(rejection(app.admin().delete_product(stale).await).0, Code::Aborted);
    assert_eq!(app.get(mug).await.unwrap().images.len(), 3);

    app.archive(mug).await;
    // Carts and orders still read it.
    assert_eq!(urls(&app.batch_get(&[mug]).await[0]), [EXTERNAL]);
    let not_found = (Code::NotFound, "product_not_found".to_owned());
    assert_eq!(rejection(app.add_images(mug, &pngs(1)).await), not_found);
    let remaining = app.batch_get(&[mug]).await[0].images[0].id;
    assert_eq!(rejection(app.remove_image(mug, remaining).await), not_found);
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_uploads_keep_the_images_of_each_call_together() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let calls = (0..5_u8).map(|call| {
        let (app, shade) = (&app, call * 10);
        async move { app.add_images(id, &[png(8, shade), png(8, shade + 1), png(8, shade + 2)]).await }
    });
    join_all(calls).await.into_iter().collect::<Result<Vec<_>, Status>>().unwrap();
    let shades = app.shades(&app.get(id).await.unwrap());
    let (calls, rest) = shades.as_chunks::<3>();
    assert_eq!((calls.len(), rest.len()), (5, 0));
    assert!(
        calls.iter().all(|[first, second, third]| [first + 1, first + 2] == [*second, *third]),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_uploads_never_exceed_twenty_images() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let images = pngs(8);
    let results = join_all((0..4).map(|_| app.add_images(id, &images))).await;
    let (added, rejected): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((added.len(), rejected.len()), (2, 2));
    for rejected in rejected {
        assert_eq!(rejection(rejected), (Code::InvalidArgument, "too_many_images".to_owned()));
    }
    assert_eq!(app.get(id).await.unwrap().images.len(), 16);
    // Immediately, not after the retention.
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), app.referenced_files().await);
    assert_eq!(app.number("select count(*) from catalog.stored_images").await, 16);
}
