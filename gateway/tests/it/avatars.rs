//! Avatars of users.

use std::sync::{Arc, Mutex};

use bodega_proto::identity::v1::{
    RemoveAvatarRequest, RemoveAvatarResponse, SetAvatarRequest, SetAvatarResponse, User,
    set_avatar_request::Part,
};
use bodega_runtime::status;
use http::Method;
use reqwest::multipart::{self, Form};
use serde_json::{Value, json};
use tonic::{Code, Streaming};

use crate::shop::{Answer, Answered as _, Shop};

const PATH: &str = "/api/users/me/avatar";

/// The completed uploads that identity has received.
type Images = Arc<Mutex<Vec<Vec<u8>>>>;

async fn shop() -> (Shop, Images) {
    let shop = Shop::open().await;
    let images = Images::default();
    let completed = images.clone();
    shop.identity.accounts.on_stream("SetAvatar", move |mut stream: Streaming<SetAvatarRequest>| {
        let completed = completed.clone();
        async move {
            let mut image = Vec::new();
            while let Some(message) = stream.message().await? {
                match message.part.unwrap() {
                    Part::Chunk(chunk) => {
                        assert!((1..=64 * 1024).contains(&chunk.len()));
                        image.extend(chunk);
                    }
                    Part::End(_) => completed.lock().unwrap().push(std::mem::take(&mut image)),
                }
            }
            let avatar_url = "/media/avatars/a.jpg".to_owned();
            let avatar_thumbnail_url = "/media/avatars/a-400.jpg".to_owned();
            Ok(SetAvatarResponse { user: Some(User { avatar_url, avatar_thumbnail_url, ..User::default() }) })
        }
    });
    (shop, images)
}

fn file(bytes: &[u8]) -> multipart::Part {
    multipart::Part::bytes(bytes.to_vec()).file_name("ada.svg").mime_str("image/svg+xml").unwrap()
}

async fn set(shop: &Shop, form: Form) -> Answer {
    shop.request(Method::PUT, PATH).bearer_auth(shop.identity.user()).multipart(form).answer().await
}

#[tokio::test]
async fn a_new_avatar_is_part_of_the_profile() {
    let (shop, images) = shop().await;
    let image: Vec<u8> = (0..200_000_u32).map(|at| (at / 3).to_le_bytes()[0]).collect();
    let answer = set(&shop, Form::new().part("image", file(&image))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let profile = answer.json();
    assert_eq!(profile["avatarUrl"], "/media/avatars/a.jpg");
    assert_eq!(profile["avatarThumbnailUrl"], "/media/avatars/a-400.jpg");
    assert_eq!(profile["addresses"], json!([]));
    assert!(*images.lock().unwrap() == [image]);
    let caller = shop.identity.accounts.metadata("SetAvatar")["authorization"].to_str().unwrap().to_owned();
    assert!(caller.starts_with("Bearer "), "{caller}");
}

#[tokio::test]
async fn forwards_an_empty_file_to_identity() {
    let (shop, images) = shop().await;
    assert_eq!(set(&shop, Form::new().part("image", file(b""))).await.status, 200);
    assert_eq!(*images.lock().unwrap(), [Vec::<u8>::new()]);
}

#[tokio::test]
async fn requires_exactly_one_image() {
    let (shop, images) = shop().await;
    for (form, field, message) in [
        (Form::new(), "image", "is required"),
        (Form::new().part("image", file(b"a")).part("image", file(b"b")), "image", "is given twice"),
        (Form::new().part("images", file(b"a")), "images", "is not a field of this request"),
        (Form::new().part("image", file(b"a")).text("name", "Ada"), "name", "is not a field of this request"),
        (Form::new().text("image", "https://example.com/ada.jpg"), "image", "must be a file"),
    ] {
        let problem = set(&shop, form).await.problem(422, "invalid_field");
        assert_eq!(problem["errors"], json!([{"field": field, "message": message}]));
    }
    assert_eq!(images.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn names_the_field_of_an_image_that_identity_rejects() {
    let shop = Shop::open().await;
    for (reason, status) in [("unsupported_image", 415), ("image_too_large", 413), ("invalid_image", 422)] {
        shop.identity.accounts.on_stream("SetAvatar", move |_: Streaming<SetAvatarRequest>| async move {
            let message = "is not right".to_owned();
            Err::<SetAvatarResponse, _>(status::rejected_field(
                Code::InvalidArgument,
                reason,
                "image",
                message,
            ))
        });
        let answer = set(&shop, Form::new().part("image", file(b"a"))).await;
        assert_eq!(answer.refused_field(status, reason), "image");
    }
}

#[tokio::test]
async fn deletes_the_avatar() {
    let shop = Shop::open().await;
    shop.identity.accounts.on("RemoveAvatar", |_: RemoveAvatarRequest| {
        Ok(RemoveAvatarResponse { user: Some(User::default()) })
    });
    let answer = shop.request(Method::DELETE, PATH).bearer_auth(shop.identity.user()).answer().await;
    assert_eq!(answer.status, 200);
    let profile = answer.json();
    assert_eq!((&profile["avatarUrl"], &profile["avatarThumbnailUrl"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn requires_an_access_token() {
    let (shop, images) = shop().await;
    for method in [Method::PUT, Method::DELETE] {
        let form = Form::new().part("image", file(b"a"));
        let request = shop.request(method, PATH).multipart(form);
        request.answer().await.problem(401, "unauthenticated");
    }
    assert_eq!(images.lock().unwrap().len(), 0);
}
