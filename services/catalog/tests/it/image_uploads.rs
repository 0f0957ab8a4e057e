//! Rejected and failed uploads: no image is added or left in the storage.

use bodega_media::{Media, MediaArgs};
use bodega_proto::catalog::v1::AddProductImagesRequest;
use clap::Parser as _;
use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    image_fixtures::{begin, chunk, end, files_of, image_parts, png, pngs, product_id, upload, wait_until},
    test_app::{TestApp, assert_rejected_field, product, rejection},
};

fn unavailable(reason: &str) -> (Code, String) {
    (Code::Unavailable, reason.to_owned())
}

#[tokio::test]
async fn rejects_invalid_images_by_index_and_adds_none() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let whole = png(64, 1);
    let truncated = whole[..whole.len() / 2].to_vec();
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#.to_vec();
    for (invalid, reason) in [
        (svg, "unsupported_image"),
        (Vec::new(), "unsupported_image"),
        (truncated, "invalid_image"),
        (vec![0; (10 << 20) + 1], "image_too_large"),
    ] {
        let result = app.add_images(id, std::slice::from_ref(&invalid)).await;
        assert_rejected_field(result, reason, "images[0]");
        let result = app.add_images(id, &[png(8, 1), invalid, png(8, 2)]).await;
        assert_rejected_field(result, reason, "images[1]");
    }
    assert_eq!(app.get(id).await.unwrap().version, 1);
    // Immediately, not after the retention.
    let rows = "select count(*) from catalog.stored_images";
    wait_until("the stored images are deleted", async || app.number(rows).await == 0).await;
    assert!(app.files().is_empty());
}

#[tokio::test]
async fn rejects_incomplete_and_out_of_order_uploads() {
    let app = TestApp::start().await;
    let (id, bytes) = (app.create_with_stock(1).await, png(8, 1));
    let empty_part = || AddProductImagesRequest { part: None };
    let one = || [vec![product_id(id)], image_parts(&bytes)].concat();
    let two = || [one(), image_parts(&bytes)].concat();
    for (parts, field) in [
        (vec![], "images[0]"),
        (vec![empty_part()], "images[0]"),
        (vec![end()], "images[0]"),
        (image_parts(&bytes), "images[0]"),
        (vec![product_id(id)], "images[0]"),
        (vec![product_id(id), end()], "images[0]"),
        (vec![product_id(id), product_id(id), end()], "images[0]"),
        (vec![product_id(id), chunk(&bytes), end()], "images[0]"),
        (vec![product_id(id), begin()], "images[0]"),
        (one(), "images[0]"),
        (two(), "images[1]"),
        ([one(), vec![product_id(id), end()]].concat(), "images[1]"),
        ([one(), vec![product_id(99), end()]].concat(), "images[1]"),
        ([one(), vec![empty_part(), end()]].concat(), "images[0]"),
        ([one(), vec![end(), end()]].concat(), "images[1]"),
        ([one(), vec![end(), empty_part()]].concat(), "images[1]"),
        ([one(), vec![end()], image_parts(&bytes)].concat(), "images[1]"),
        ([two(), vec![end()], two(), vec![end()]].concat(), "images[2]"),
    ] {
        assert_rejected_field(app.send(parts).await, "upload_incomplete", field);
    }
    assert_eq!(app.get(id).await.unwrap().version, 1);
    wait_until("the stored images are deleted", async || app.files().is_empty()).await;
}

#[tokio::test]
async fn rejects_too_many_images_before_receiving_them() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let mut messages = upload(id, &pngs(10));
    messages.pop();
    messages.push(begin());
    // The stream stays open.
    let open_stream = stream::iter(messages).chain(stream::pending());
    let result = app.admin().add_product_images(open_stream).await;
    assert_rejected_field(result, "too_many_images", "images[10]");
    assert!(app.get(id).await.unwrap().images.is_empty());

    app.add_images(id, &pngs(9)).await.unwrap();
    let full = app.add_images(id, &pngs(9)).await.unwrap();
    assert_rejected_field(app.add_images(id, &pngs(3)).await, "too_many_images", "images[2]");
    assert_eq!(app.get(id).await.unwrap(), full);
    assert_eq!(app.add_images(id, &pngs(2)).await.unwrap().images.len(), 20);
    let open_stream = stream::iter([product_id(id), begin()]).chain(stream::pending());
    assert_rejected_field(app.admin().add_product_images(open_stream).await, "too_many_images", "images[0]");
}

#[tokio::test]
async fn rejects_an_unknown_product_before_receiving_images() {
    let app = TestApp::start().await;
    let archived = app.create_with_stock(1).await;
    app.archive(archived).await;
    for id in [archived, 99, 0, -1] {
        let open_stream = stream::iter([product_id(id)]).chain(stream::pending());
        let result = app.admin().add_product_images(open_stream).await;
        assert_eq!(rejection(result), (Code::NotFound, "product_not_found".to_owned()));
    }
}

#[tokio::test]
async fn a_storage_failure_during_an_upload_is_unavailable() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let first = [vec![product_id(id)], image_parts(&png(8, 1)), image_parts(&png(8, 2))].concat();
    let (send_broken, broken) = oneshot::channel();
    let then = stream::once(broken).map(|_| end());
    let breaking = async {
        wait_until("the first image is stored", async || app.files().len() == 2).await;
        app.break_storage();
        send_broken.send(()).unwrap();
    };
    let mut admin = app.admin();
    let (result, ()) = tokio::join!(admin.add_product_images(stream::iter(first).chain(then)), breaking);
    let rejected = result.unwrap_err();
    assert_eq!(rejected.message(), "image storage is unavailable");
    assert_eq!(rejection::<()>(Err(rejected)), unavailable("storage_unavailable"));
    assert_eq!(app.get(id).await.unwrap().version, 1);

    app.repair_storage();
    let added = app.add_images(id, &pngs(1)).await.unwrap();
    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&added));
}

#[tokio::test]
async fn an_upload_beyond_the_limit_is_unavailable_with_a_retry_delay() {
    let first = TestApp::start().await;
    let media = Media::local(&first.storage());
    let app = first.replica_with(media.clone()).await;
    let id = app.create_with_stock(1).await;
    let mut others = Vec::new();
    let file = vec![0; 10 << 20];
    for _ in 0..16 {
        let mut upload = media.upload();
        upload.push(&file).unwrap();
        others.push(upload);
    }
    let rejected = app.add_images(id, &pngs(1)).await.unwrap_err();
    assert!(rejected.get_details_retry_info().is_some());
    assert_eq!(rejection::<()>(Err(rejected)), unavailable("image_worker_busy"));
    others.pop();
    app.add_images(id, &pngs(1)).await.unwrap();
}

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    media: MediaArgs,
}

#[tokio::test]
async fn a_storage_that_hangs_is_reported_within_3_seconds() {
    let first = TestApp::start().await;
    let id = first.create_with_stock(1).await;
    // The kernel accepts connections, and no server responds.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("--s3-endpoint=http://{}", listener.local_addr().unwrap());
    let keys = ["--aws-access-key-id=key", "--aws-secret-access-key=secret"];
    let bucket = ["test", "--s3-bucket=images", &endpoint].into_iter().chain(keys);
    let media = Args::parse_from(bucket).media.open(&first.storage()).unwrap();
    let app = first.replica_with(media).await;
    let started = std::time::Instant::now();
    let rejected = app.add_images(id, &pngs(1)).await.unwrap_err();
    assert!(started.elapsed() < std::time::Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(rejection::<()>(Err(rejected)), unavailable("storage_unavailable"));
    assert_eq!(app.get(id).await.unwrap().version, 1);
}

#[tokio::test]
async fn a_storage_failure_affects_uploads_only() {
    let first = TestApp::start().await;
    let id = first.create_with_stock(1).await;
    let bucket = [
        "test",
        "--s3-bucket=images",
        "--s3-endpoint=http://127.0.0.1:1",
        "--aws-access-key-id=key",
        "--aws-secret-access-key=secret",
    ];
    let media = Args::parse_from(bucket).media.open(&first.storage()).unwrap();
    let app = first.replica_with(media).await;
    let rejected = app.add_images(id, &pngs(1)).await.unwrap_err();
    assert_eq!(rejected.message(), "image storage is unavailable");
    assert_eq!(rejection::<()>(Err(rejected)), unavailable("storage_unavailable"));
    assert_eq!(app.get(id).await.unwrap().version, 1);
    app.create(product("Cup")).await;

    // The object may have been written nevertheless: only replicas with this storage try to delete it.
    app.expire_unused_images().await;
    let tried = "select count(*) from catalog.stored_images where storage = 's3' and attempts > 0";
    wait_until("the deletion is attempted", async || app.number(tried).await == 1).await;
    let product = first.add_images(id, &pngs(1)).await.unwrap();
    first.remove_image(id, product.images[0].id).await.unwrap();
    let remaining = "select count(*) from catalog.stored_images";
    wait_until("the other image is deleted", async || app.number(remaining).await == 1).await;
    assert!(first.files().is_empty());
}
