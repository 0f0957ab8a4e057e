//! Avatars of users.

use std::collections::BTreeSet;

use image::GenericImageView as _;
use serde_json::{Value, json};

use crate::harness::{
    images::{LOCATION, files, photo_with_location, png},
    responses::{USER, assert_fields},
    store::{TestStore, eventually},
};

fn files_of(user: &Value) -> BTreeSet<String> {
    let file = |url: &Value| {
        let (folder, file) = url.as_str().unwrap().rsplit_once('/').unwrap();
        assert_eq!(folder, "/media/avatars");
        file.to_owned()
    };
    [&user["avatarUrl"], &user["avatarThumbnailUrl"]].map(file).into()
}

#[tokio::test]
async fn sets_and_removes_an_avatar() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let before = ada.get("/api/users/me").await.expect(200).json;
    assert_eq!((&before["avatarUrl"], &before["avatarThumbnailUrl"]), (&Value::Null, &Value::Null));

    let profile = ada.set_avatar(&photo_with_location()).await.expect(200).json;
    assert_fields(&profile, &format!("{USER} addresses"));
    assert!(profile["updatedAt"].as_str() > before["updatedAt"].as_str());
    assert_eq!(ada.get("/api/users/me").await.expect(200).json, profile);
    let session = ada.sign_in("ada").await;
    assert_eq!(session.session()["user"]["avatarUrl"], profile["avatarUrl"]);
    let listed = store.admin().get(&format!("/api/users/{}", ada.id())).await.expect(200).json;
    assert_eq!(listed["avatarThumbnailUrl"], profile["avatarThumbnailUrl"]);

    let whole = store.guest().fetch_image(profile["avatarUrl"].as_str().unwrap()).await;
    let small = store.guest().fetch_image(profile["avatarThumbnailUrl"].as_str().unwrap()).await;
    assert_eq!((whole.image().dimensions(), small.image().dimensions()), ((1200, 900), (400, 300)));
    assert!(!whole.contains(LOCATION) && !small.contains(LOCATION));

    let bare = ada.delete("/api/users/me/avatar").await.expect(200).json;
    assert_fields(&bare, &format!("{USER} addresses"));
    assert_eq!((&bare["avatarUrl"], &bare["avatarThumbnailUrl"]), (&Value::Null, &Value::Null));
    assert_eq!(ada.delete("/api/users/me/avatar").await.expect(200).json["avatarUrl"], json!(null));
    eventually("its files are deleted", async || files(&store.image_dir()).is_empty()).await;
    store.guest().get(profile["avatarUrl"].as_str().unwrap()).await.expect(404);
    store.verify().await;
}

#[tokio::test]
async fn a_new_avatar_replaces_the_old_one() {
    let store = TestStore::start().await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    let graces = grace.set_avatar(&png()).await.expect(200).json;
    let first = ada.set_avatar(&png()).await.expect(200).json;
    let second = ada.set_avatar(&photo_with_location()).await.expect(200).json;
    assert_ne!(first["avatarUrl"], second["avatarUrl"], "a cached URL never changes its content");
    let rest: BTreeSet<_> = files_of(&graces).union(&files_of(&second)).cloned().collect();
    eventually("only the new ones are left", async || files(&store.image_dir()) == rest).await;
    store.verify().await;
}

/// One of the concurrent uploads wins; the others are deleted.
#[tokio::test]
async fn concurrent_avatar_uploads_leave_one() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let image = png();
    let responses = futures_util::future::join_all((0..6).map(|_| ada.set_avatar(&image))).await;
    responses.into_iter().for_each(|response| drop(response.expect(200)));
    let profile = files_of(&ada.get("/api/users/me").await.expect(200).json);
    eventually("one is left", async || files(&store.image_dir()) == profile).await;
    store.verify().await;
}

#[tokio::test]
async fn deleting_a_user_deletes_the_avatar() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    ada.set_avatar(&png()).await.expect(200);
    store.admin().delete(&format!("/api/users/{}", ada.id())).await.expect(204);
    eventually("no file is left", async || files(&store.image_dir()).is_empty()).await;
    ada.set_avatar(&png()).await.expect_problem(401, "session_ended");
    store.verify().await;
}
