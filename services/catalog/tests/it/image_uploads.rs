//! Uploads that are refused: nothing of them is shown, and nothing is kept.

use bodega_media::{Media, MediaArgs};
use bodega_proto::catalog::v1::AddProductImagesRequest;
use clap::Parser as _;
use futures_util::{StreamExt as _, stream};
use tokio::sync::oneshot;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    image_fixtures::{begin, chunk, end, files_of, picture, png, pngs, product_id, until, upload},
    test_catalog::{Shop, assert_refused_field, product, refusal},
};

fn unavailable() -> (Code, String) {
    (Code::Unavailable, "unavailable".to_owned())
}

#[tokio::test]
async fn what_is_no_picture_is_named_and_nothing_of_its_call_is_shown() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let whole = png(64, 1);
    let torn = whole[..whole.len() / 2].to_vec();
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#.to_vec();
    for (bad, reason) in [
        (svg, "unsupported_image"),
        (Vec::new(), "unsupported_image"),
        (torn, "invalid_image"),
        (vec![0; (10 << 20) + 1], "image_too_large"),
    ] {
        let answer = shop.add_images(id, std::slice::from_ref(&bad)).await;
        assert_refused_field(answer, reason, "images[0]");
        let answer = shop.add_images(id, &[png(8, 1), bad, png(8, 2)]).await;
        assert_refused_field(answer, reason, "images[1]");
    }
    assert_eq!(shop.get(id).await.unwrap().version, 1);
    // Without an hour to wait.
    let rows = "select count(*) from catalog.stored_images";
    until("what was kept in vain is gone", async || shop.number(rows).await == 0).await;
    assert!(shop.files().is_empty());
}

#[tokio::test]
async fn an_upload_that_breaks_off_or_is_out_of_order_is_refused() {
    let shop = Shop::open().await;
    let (id, bytes) = (shop.stocked(1).await, png(8, 1));
    let nothing = || AddProductImagesRequest { part: None };
    let one = || [vec![product_id(id)], picture(&bytes)].concat();
    let two = || [one(), picture(&bytes)].concat();
    for (parts, field) in [
        (vec![], "images[0]"),
        (vec![nothing()], "images[0]"),
        (vec![end()], "images[0]"),
        (picture(&bytes), "images[0]"),
        (vec![product_id(id)], "images[0]"),
        (vec![product_id(id), end()], "images[0]"),
        (vec![product_id(id), product_id(id), end()], "images[0]"),
        (vec![product_id(id), chunk(&bytes), end()], "images[0]"),
        (vec![product_id(id), begin()], "images[0]"),
        (one(), "images[0]"),
        (two(), "images[1]"),
        ([one(), vec![product_id(id), end()]].concat(), "images[1]"),
        ([one(), vec![product_id(99), end()]].concat(), "images[1]"),
        ([one(), vec![nothing(), end()]].concat(), "images[0]"),
        ([one(), vec![end(), end()]].concat(), "images[1]"),
        ([one(), vec![end(), nothing()]].concat(), "images[1]"),
        ([one(), vec![end()], picture(&bytes)].concat(), "images[1]"),
        ([two(), vec![end()], two(), vec![end()]].concat(), "images[2]"),
    ] {
        assert_refused_field(shop.send(parts).await, "upload_incomplete", field);
    }
    assert_eq!(shop.get(id).await.unwrap().version, 1);
    until("what was kept in vain is gone", async || shop.files().is_empty()).await;
}

#[tokio::test]
async fn more_pictures_than_may_be_are_refused_before_they_come() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let mut eleven = upload(id, &pngs(10));
    eleven.pop();
    eleven.push(begin());
    // The stream goes on: nobody waits for it.
    let goes_on = stream::iter(eleven).chain(stream::pending());
    let answer = shop.admin().add_product_images(goes_on).await;
    assert_refused_field(answer, "too_many_images", "images[10]");
    assert!(shop.get(id).await.unwrap().images.is_empty());

    shop.add_images(id, &pngs(9)).await.unwrap();
    let full = shop.add_images(id, &pngs(9)).await.unwrap();
    assert_refused_field(shop.add_images(id, &pngs(3)).await, "too_many_images", "images[2]");
    assert_eq!(shop.get(id).await.unwrap(), full);
    assert_eq!(shop.add_images(id, &pngs(2)).await.unwrap().images.len(), 20);
    let goes_on = stream::iter([product_id(id), begin()]).chain(stream::pending());
    assert_refused_field(shop.admin().add_product_images(goes_on).await, "too_many_images", "images[0]");
}

#[tokio::test]
async fn an_unknown_product_is_told_before_a_byte_is_read() {
    let shop = Shop::open().await;
    let archived = shop.stocked(1).await;
    shop.archive(archived).await;
    for id in [archived, 99, 0, -1] {
        let goes_on = stream::iter([product_id(id)]).chain(stream::pending());
        let answer = shop.admin().add_product_images(goes_on).await;
        assert_eq!(refusal(answer), (Code::NotFound, "product_not_found".to_owned()));
    }
}

#[tokio::test]
async fn a_storage_that_fails_half_way_is_told_apart_from_a_bad_picture() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let first = [vec![product_id(id)], picture(&png(8, 1)), picture(&png(8, 2))].concat();
    let (broken, is_broken) = oneshot::channel();
    let then = stream::once(is_broken).map(|_| end());
    let breaking = async {
        until("the first is kept", async || shop.files().len() == 2).await;
        shop.break_storage();
        broken.send(()).unwrap();
    };
    let mut admin = shop.admin();
    let (answer, ()) = tokio::join!(admin.add_product_images(stream::iter(first).chain(then)), breaking);
    let refused = answer.unwrap_err();
    assert_eq!(refused.message(), "images cannot be stored at the moment");
    assert_eq!(refusal::<()>(Err(refused)), unavailable());
    assert_eq!(shop.get(id).await.unwrap().version, 1);

    shop.mend_storage();
    let added = shop.add_images(id, &pngs(1)).await.unwrap();
    shop.an_hour_later().await;
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&added));
}

#[tokio::test]
async fn an_upload_that_finds_no_room_is_told_to_come_again() {
    let first = Shop::open().await;
    let media = Media::local(&first.storage());
    let shop = first.replica_with(media.clone()).await;
    let id = shop.stocked(1).await;
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(media.upload().await.unwrap());
    }
    let refused = shop.add_images(id, &pngs(1)).await.unwrap_err();
    assert!(refused.get_details_retry_info().is_some());
    assert_eq!(refusal::<()>(Err(refused)), unavailable());
    others.pop();
    shop.add_images(id, &pngs(1)).await.unwrap();
}

/// What an operator says.
#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    media: MediaArgs,
}

#[tokio::test]
async fn a_storage_that_is_down_fails_the_uploads_and_not_the_shop() {
    let first = Shop::open().await;
    let id = first.stocked(1).await;
    let bucket = [
        "test",
        "--s3-bucket=pictures",
        "--s3-endpoint=http://127.0.0.1:1",
        "--aws-access-key-id=key",
        "--aws-secret-access-key=secret",
    ];
    let media = Args::parse_from(bucket).media.open(&first.storage()).unwrap();
    let shop = first.replica_with(media).await;
    let refused = shop.add_images(id, &pngs(1)).await.unwrap_err();
    assert_eq!(refused.message(), "images cannot be stored at the moment");
    assert_eq!(refusal::<()>(Err(refused)), unavailable());
    assert_eq!(shop.get(id).await.unwrap().version, 1);
    shop.create(product("Cup")).await;

    // It may have it all the same: it is swept there, and by nobody who keeps pictures elsewhere.
    shop.an_hour_later().await;
    let tried = "select count(*) from catalog.stored_images where storage = 's3' and attempts > 0";
    until("it is tried", async || shop.number(tried).await == 1).await;
    let shown = first.add_images(id, &pngs(1)).await.unwrap();
    first.remove_image(id, shown.images[0].id).await.unwrap();
    let left = "select count(*) from catalog.stored_images";
    until("the other is swept", async || shop.number(left).await == 1).await;
    assert!(first.files().is_empty());
}
