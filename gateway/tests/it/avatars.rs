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

use crate::test_app::{SendRequest as _, TestApp, TestResponse};

const PATH: &str = "/api/users/me/avatar";

/// The completed uploads that identity has received.
type Images = Arc<Mutex<Vec<Vec<u8>>>>;

async fn gateway() -> (TestApp, Images) {
    let gateway = TestApp::start().await;
    let images = Images::default();
    let completed = images.clone();
    gateway.identity.service.on_stream("SetAvatar", move |mut stream: Streaming<SetAvatarRequest>| {
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
    (gateway, images)
}

fn file(bytes: &[u8]) -> multipart::Part {
    multipart::Part::bytes(bytes.to_vec()).file_name("ada.svg").mime_str("image/svg+xml").unwrap()
}

async fn set(gateway: &TestApp, form: Form) -> TestResponse {
    gateway.request(Method::PUT, PATH).bearer_auth(gateway.identity.user()).multipart(form).fetch().await
}

#[tokio::test]
async fn a_new_avatar_is_part_of_the_profile() {
    let (gateway, images) = gateway().await;
    let image: Vec<u8> = (0..200_000_u32).map(|at| (at / 3).to_le_bytes()[0]).collect();
    let response = set(&gateway, Form::new().part("image", file(&image))).await;
    assert_eq!(response.status, 200, "{response:?}");
    let profile = response.json();
    assert_eq!(profile["avatarUrl"], "/media/avatars/a.jpg");
    assert_eq!(profile["avatarThumbnailUrl"], "/media/avatars/a-400.jpg");
    assert_eq!(profile["addresses"], json!([]));
    assert!(*images.lock().unwrap() == [image]);
    let caller = gateway.identity.service.metadata("SetAvatar")["authorization"].to_str().unwrap().to_owned();
    assert!(caller.starts_with("Bearer "), "{caller}");
}

#[tokio::test]
async fn forwards_an_empty_file_to_identity() {
    let (gateway, images) = gateway().await;
    assert_eq!(set(&gateway, Form::new().part("image", file(b""))).await.status, 200);
    assert_eq!(*images.lock().unwrap(), [Vec::<u8>::new()]);
}

#[tokio::test]
async fn requires_exactly_one_image() {
    let (gateway, images) = gateway().await;
    for (form, field, message) in [
        (Form::new(), "image", "is required"),
        (Form::new().part("image", file(b"a")).part("image", file(b"b")), "image", "is given twice"),
        (Form::new().part("images", file(b"a")), "images", "is not a field of this request"),
        (Form::new().part("image", file(b"a")).text("name", "Ada"), "name", "is not a field of this request"),
        (Form::new().text("image", "https://example.com/ada.jpg"), "image", "must be a file"),
    ] {
        let problem = set(&gateway, form).await.problem(422, "invalid_field");
        assert_eq!(problem["errors"], json!([{"field": field, "message": message}]));
    }
    assert_eq!(images.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn names_the_field_of_an_image_that_identity_rejects() {
    let gateway = TestApp::start().await;
    for (reason, status) in [("unsupported_image", 415), ("image_too_large", 413), ("invalid_image", 422)] {
        gateway.identity.service.on_stream("SetAvatar", move |_: Streaming<SetAvatarRequest>| async move {
            let message = "is invalid".to_owned();
            Err::<SetAvatarResponse, _>(status::rejected_field(
                Code::InvalidArgument,
                reason,
                "image",
                message,
            ))
        });
        let response = set(&gateway, Form::new().part("image", file(b"a"))).await;
        assert_eq!(response.rejected_field(status, reason), "image");
    }
}

#[tokio::test]
async fn deletes_the_avatar() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("RemoveAvatar", |_: RemoveAvatarRequest| {
        Ok(RemoveAvatarResponse { user: Some(User::default()) })
    });
    let response = gateway.request(Method::DELETE, PATH).bearer_auth(gateway.identity.user()).fetch().await;
    assert_eq!(response.status, 200);
    let profile = response.json();
    assert_eq!((&profile["avatarUrl"], &profile["avatarThumbnailUrl"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn requires_an_access_token() {
    let (gateway, images) = gateway().await;
    for method in [Method::PUT, Method::DELETE] {
        let form = Form::new().part("image", file(b"a"));
        let request = gateway.request(method, PATH).multipart(form);
        request.fetch().await.problem(401, "unauthenticated");
    }
    assert_eq!(images.lock().unwrap().len(), 0);
}
