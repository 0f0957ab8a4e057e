//! What products show: pictures that are kept here, and images that are kept elsewhere.

use bodega_proto::catalog::v1::{
    CreateProductRequest, DeleteProductRequest, Image, ListProductsRequest, Product, UpdateProductRequest,
};
use futures_util::future::join_all;
use tonic::{Code, Status};

use crate::{
    image_fixtures::{files_of, png, pngs, urls},
    test_catalog::{Shop, changes, product, refusal},
};

const ELSEWHERE: &str = "https://pictures.example/mug.png";

fn image_not_found() -> (Code, String) {
    (Code::NotFound, "image_not_found".to_owned())
}

impl Shop {
    async fn set_image_url(&self, id: i32, url: &str) -> Product {
        let request = UpdateProductRequest { image_url: Some(url.to_owned()), ..changes(id) };
        self.update(request).await.unwrap()
    }

    /// The shades of what a product shows.
    fn shades(&self, product: &Product) -> Vec<u8> {
        urls(product).into_iter().map(|url| self.shade(url)).collect()
    }
}

#[tokio::test]
async fn pictures_are_shown_in_the_order_they_came_wherever_the_product_is() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug")).await;
    let first = shop.add_images(made.id, &[png(600, 1), png(8, 2)]).await.unwrap();
    assert!(first.version > made.version && first.updated_at != made.updated_at);
    assert_eq!(shop.shades(&first), [1, 2]);
    let second = shop.add_images(made.id, &pngs(10)).await.unwrap();
    assert_eq!(second.images[..2], first.images);
    assert_eq!(shop.shades(&second)[2..], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(shop.files(), files_of(&second));

    let side = |link: &str| {
        let bytes = std::fs::read(shop.storage().join(link.strip_prefix("/media/").unwrap())).unwrap();
        image::load_from_memory(&bytes).unwrap().width()
    };
    assert_eq!((side(&first.images[0].url), side(&first.images[0].thumbnail_url)), (600, 400));

    assert_eq!(shop.get(made.id).await.unwrap(), second);
    assert_eq!(shop.batch(&[made.id]).await, std::slice::from_ref(&second));
    for q in ["", "mug"] {
        let request = ListProductsRequest { q: q.to_owned(), ..Default::default() };
        let listed = shop.acting_as(None).list_products(request).await.unwrap().into_inner().products;
        assert_eq!(listed, std::slice::from_ref(&second));
    }
}

#[tokio::test]
async fn an_image_from_elsewhere_is_its_own_thumbnail_and_pictures_come_behind_it() {
    let shop = Shop::open().await;
    let wanted = CreateProductRequest { image_url: ELSEWHERE.to_owned(), ..product("Mug") };
    let made = shop.create(wanted).await;
    let elsewhere = made.images[0].clone();
    assert_eq!((elsewhere.url.as_str(), elsewhere.thumbnail_url.as_str()), (ELSEWHERE, ELSEWHERE));
    let with_picture = shop.add_images(made.id, &[png(8, 1)]).await.unwrap();
    assert_eq!(with_picture.images[0], elsewhere);
    assert_eq!(with_picture.images.len(), 2);
    shop.remove_image(made.id, elsewhere.id).await.unwrap();
    assert_eq!(shop.get(made.id).await.unwrap().images, with_picture.images[1..]);
}

#[tokio::test]
async fn a_removed_picture_is_gone_and_the_others_stay_in_order() {
    let shop = Shop::open().await;
    let (mug, cup) = (shop.stocked(1).await, shop.stocked(1).await);
    let before = shop.add_images(mug, &pngs(3)).await.unwrap();
    let middle = before.images[1].id;
    assert_eq!(refusal(shop.remove_image(cup, middle).await), image_not_found());
    shop.remove_image(mug, middle).await.unwrap();
    let after = shop.get(mug).await.unwrap();
    assert_eq!(shop.shades(&after), [0, 2]);
    assert!(after.version > before.version && after.updated_at != before.updated_at);
    assert_eq!(refusal(shop.remove_image(mug, middle).await), image_not_found());
    assert_eq!(shop.get(mug).await.unwrap(), after);
    let gone = (Code::NotFound, "product_not_found".to_owned());
    assert_eq!(refusal(shop.remove_image(99, middle).await), gone);

    let more = shop.add_images(mug, &[png(8, 7)]).await.unwrap();
    assert_eq!(shop.shades(&more), [0, 2, 7]);
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&more));
}

#[tokio::test]
async fn a_client_that_puts_what_it_got_loses_no_picture() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let before = shop.add_images(id, &pngs(2)).await.unwrap();
    let after = shop.set_image_url(id, &before.images[0].url).await;
    assert_eq!(after.images, before.images);
    let elsewhere = shop.set_image_url(id, ELSEWHERE).await;
    assert_eq!(shop.set_image_url(id, ELSEWHERE).await.images, elsewhere.images);
    shop.swept().await;
    assert_eq!(shop.files(), shop.shown().await);
    assert_eq!(shop.shade(&before.images[1].url), 1);
}

#[tokio::test]
async fn a_first_picture_that_is_replaced_or_taken_away_is_gone() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let before = shop.add_images(id, &pngs(3)).await.unwrap();
    let replaced = shop.set_image_url(id, ELSEWHERE).await;
    assert_eq!(urls(&replaced)[0], ELSEWHERE);
    assert_eq!(replaced.images[1..], before.images[1..]);
    assert_eq!(shop.set_image_url(id, "").await.images, before.images[1..]);
    assert_eq!(shop.set_image_url(id, "").await.images, before.images[2..]);
    shop.swept().await;
    assert_eq!(shop.files(), shop.shown().await);
    assert_eq!(shop.files().len(), 2);
}

#[tokio::test]
async fn a_picture_that_is_made_the_first_takes_the_place_of_the_one_before() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let before = shop.add_images(id, &pngs(3)).await.unwrap();
    let [_, second, third]: &[Image; 3] = before.images.as_slice().try_into().unwrap();
    let after = shop.set_image_url(id, &third.url).await;
    assert_eq!(after.images, [third.clone(), second.clone()]);
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&after));
    shop.remove_image(id, third.id).await.unwrap();
    assert_eq!(shop.get(id).await.unwrap().images, std::slice::from_ref(second));
}

#[tokio::test]
async fn the_pictures_of_an_archived_product_go_and_images_from_elsewhere_stay() {
    let shop = Shop::open().await;
    let wanted = CreateProductRequest { image_url: ELSEWHERE.to_owned(), ..product("Mug") };
    let (mug, cup) = (shop.create(wanted).await.id, shop.stocked(1).await);
    shop.add_images(mug, &pngs(2)).await.unwrap();
    let kept = shop.add_images(cup, &pngs(1)).await.unwrap();
    let stale = DeleteProductRequest { id: mug, expected_version: Some(1) };
    assert_eq!(refusal(shop.admin().delete_product(stale).await).0, Code::Aborted);
    assert_eq!(shop.get(mug).await.unwrap().images.len(), 3);

    shop.archive(mug).await;
    // What carts and orders show of it.
    assert_eq!(urls(&shop.batch(&[mug]).await[0]), [ELSEWHERE]);
    let gone = (Code::NotFound, "product_not_found".to_owned());
    assert_eq!(refusal(shop.add_images(mug, &pngs(1)).await), gone);
    let left = shop.batch(&[mug]).await[0].images[0].id;
    assert_eq!(refusal(shop.remove_image(mug, left).await), gone);
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_added_at_once_are_all_there_each_calls_together() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let calls = (0..5_u8).map(|call| {
        let (shop, shade) = (&shop, call * 10);
        async move { shop.add_images(id, &[png(8, shade), png(8, shade + 1), png(8, shade + 2)]).await }
    });
    join_all(calls).await.into_iter().collect::<Result<Vec<_>, Status>>().unwrap();
    let shades = shop.shades(&shop.get(id).await.unwrap());
    let (calls, rest) = shades.as_chunks::<3>();
    assert_eq!((calls.len(), rest.len()), (5, 0));
    assert!(
        calls.iter().all(|[first, second, third]| [first + 1, first + 2] == [*second, *third]),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_never_has_more_than_twenty_images_however_they_come() {
    let shop = Shop::open().await;
    let id = shop.stocked(1).await;
    let pictures = pngs(8);
    let answers = join_all((0..4).map(|_| shop.add_images(id, &pictures))).await;
    let (added, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((added.len(), refused.len()), (2, 2));
    for refused in refused {
        assert_eq!(refusal(refused), (Code::InvalidArgument, "too_many_images".to_owned()));
    }
    assert_eq!(shop.get(id).await.unwrap().images.len(), 16);
    // Without an hour to wait.
    shop.swept().await;
    assert_eq!(shop.files(), shop.shown().await);
    assert_eq!(shop.number("select count(*) from catalog.stored_images").await, 16);
}
