//! Pictures of users: lines 53, 86; row `/api/users/me/avatar` of the contract.

use std::collections::BTreeSet;

use image::GenericImageView as _;
use serde_json::{Value, json};

use crate::harness::{
    images::{PLACE, files, photograph, png},
    responses::{USER, assert_fields},
    store::{Shop, eventually},
};

fn files_of(user: &Value) -> BTreeSet<String> {
    let file = |url: &Value| {
        let (room, file) = url.as_str().unwrap().rsplit_once('/').unwrap();
        assert_eq!(room, "/media/avatars");
        file.to_owned()
    };
    [&user["avatarUrl"], &user["avatarThumbnailUrl"]].map(file).into()
}

#[tokio::test]
async fn a_user_shows_a_picture_and_takes_it_away() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let before = ada.get("/api/users/me").await.expect(200).json;
    assert_eq!((&before["avatarUrl"], &before["avatarThumbnailUrl"]), (&Value::Null, &Value::Null));

    let shown = ada.set_avatar(&photograph()).await.expect(200).json;
    assert_fields(&shown, &format!("{USER} addresses"));
    assert!(shown["updatedAt"].as_str() > before["updatedAt"].as_str());
    assert_eq!(ada.get("/api/users/me").await.expect(200).json, shown);
    let session = ada.sign_in("ada").await;
    assert_eq!(session.session()["user"]["avatarUrl"], shown["avatarUrl"]);
    let listed = shop.admin().get(&format!("/api/users/{}", ada.id())).await.expect(200).json;
    assert_eq!(listed["avatarThumbnailUrl"], shown["avatarThumbnailUrl"]);

    let whole = shop.guest().look_at(shown["avatarUrl"].as_str().unwrap()).await;
    let small = shop.guest().look_at(shown["avatarThumbnailUrl"].as_str().unwrap()).await;
    assert_eq!((whole.image().dimensions(), small.image().dimensions()), ((1200, 900), (400, 300)));
    assert!(!whole.contains(PLACE) && !small.contains(PLACE));

    let bare = ada.delete("/api/users/me/avatar").await.expect(200).json;
    assert_fields(&bare, &format!("{USER} addresses"));
    assert_eq!((&bare["avatarUrl"], &bare["avatarThumbnailUrl"]), (&Value::Null, &Value::Null));
    assert_eq!(ada.delete("/api/users/me/avatar").await.expect(200).json["avatarUrl"], json!(null));
    eventually("its files are gone", async || files(&shop.pictures()).is_empty()).await;
    shop.guest().get(shown["avatarUrl"].as_str().unwrap()).await.expect(404);
    shop.verify().await;
}

#[tokio::test]
async fn a_new_picture_replaces_the_old_one() {
    let shop = Shop::start().await;
    let (ada, grace) = (shop.register("ada").await, shop.register("grace").await);
    let graces = grace.set_avatar(&png()).await.expect(200).json;
    let first = ada.set_avatar(&png()).await.expect(200).json;
    let second = ada.set_avatar(&photograph()).await.expect(200).json;
    assert_ne!(first["avatarUrl"], second["avatarUrl"], "what is cached for good never changes");
    let rest: BTreeSet<_> = files_of(&graces).union(&files_of(&second)).cloned().collect();
    eventually("only the new ones are left", async || files(&shop.pictures()) == rest).await;
    shop.verify().await;
}

/// Of pictures that come at once one is shown, and the others are swept.
#[tokio::test]
async fn pictures_that_come_at_once_leave_one() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    let picture = png();
    let answers = futures_util::future::join_all((0..6).map(|_| ada.set_avatar(&picture))).await;
    answers.into_iter().for_each(|answer| drop(answer.expect(200)));
    let shown = files_of(&ada.get("/api/users/me").await.expect(200).json);
    eventually("one is left", async || files(&shop.pictures()) == shown).await;
    shop.verify().await;
}

#[tokio::test]
async fn the_picture_of_a_user_goes_with_the_account() {
    let shop = Shop::start().await;
    let ada = shop.register("ada").await;
    ada.set_avatar(&png()).await.expect(200);
    shop.admin().delete(&format!("/api/users/{}", ada.id())).await.expect(204);
    eventually("no file is left", async || files(&shop.pictures()).is_empty()).await;
    ada.set_avatar(&png()).await.expect_problem(401, "session_ended");
    shop.verify().await;
}
