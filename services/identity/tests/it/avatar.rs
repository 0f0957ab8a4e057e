//! Avatars.

use std::time::Duration;

use bodega_proto::identity::v1::{
    ListUsersRequest, RemoveAvatarRequest, SetAvatarRequest, UpdateProfileRequest, UpdateUserRequest,
    identity_service_client::IdentityServiceClient,
};
use bodega_runtime::{auth::ServiceToken, context::CallContext, server::AuthLayer, transport::Transport};
use futures_util::stream;
use tokio::{net::TcpListener, time::timeout};
use tonic::Code;

use crate::{
    image_fixtures::{chunk, end, files_of, jpeg, png, upload},
    test_app::{PASSWORD, TestApp, fields, id_of, rejection, session_ended, user},
};

fn invalid(reason: &str) -> (Code, String) {
    (Code::InvalidArgument, reason.into())
}

#[tokio::test]
async fn returns_the_avatar_with_the_user_everywhere() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let ada = app.register("ada").await;
    assert_eq!((user(&ada).avatar_url.as_str(), user(&ada).avatar_thumbnail_url.as_str()), ("", ""));

    let shown = app.set_avatar(&ada, &png(600, 200)).await.unwrap();
    assert_eq!(app.files(), files_of(&shown));
    let original = image::load_from_memory(&app.read(&shown.avatar_url)).unwrap().to_rgb8();
    let thumbnail = image::load_from_memory(&app.read(&shown.avatar_thumbnail_url)).unwrap();
    assert_eq!((original.width(), original.get_pixel(0, 0).0), (600, [200, 0, 0]));
    assert_eq!((thumbnail.width(), thumbnail.height()), (400, 400));
    assert!(shown.updated_at.unwrap().nanos != user(&ada).updated_at.unwrap().nanos);

    assert_eq!(app.profile(&ada).await.unwrap(), shown);
    assert_eq!(app.login("ada").await.unwrap().user.unwrap(), shown);
    assert_eq!(app.refresh(&ada.refresh_token).await.unwrap().user.unwrap(), shown);
    let mut client = app.bearer(&ada.access_token).await;
    let request = UpdateProfileRequest { name: Some("Ada".into()), ..Default::default() };
    let renamed = client.update_profile(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(files_of(&renamed), files_of(&shown));

    let mut client = app.bearer(&admin.access_token).await;
    let listed = client.list_users(ListUsersRequest::default()).await.unwrap().into_inner().users;
    assert_eq!(listed.iter().find(|user| user.id == shown.id), Some(&renamed));
    assert!(listed.iter().all(|user| user.id == shown.id || user.avatar_url.is_empty()));
    let request = UpdateUserRequest { id: shown.id.clone(), disabled: Some(true), ..Default::default() };
    let (disabled, _) = app.update_user(&admin, request).await.unwrap();
    assert_eq!(files_of(&disabled), files_of(&shown));
}

#[tokio::test]
async fn replaces_the_previous_avatar() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let first = app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let second = app.set_avatar(&ada, &jpeg(8, 200)).await.unwrap();
    assert!(files_of(&first).is_disjoint(&files_of(&second)), "a new URL, because caches keep the old image");
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&second));
    assert_eq!(app.profile(&ada).await.unwrap(), second);
}

#[tokio::test]
async fn stores_the_same_image_once_per_user() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.register("ada").await, app.register("bob").await);
    let image = png(8, 1);
    let shown_by_ada = app.set_avatar(&ada, &image).await.unwrap();
    let shown_by_bob = app.set_avatar(&bob, &image).await.unwrap();
    assert!(files_of(&shown_by_ada).is_disjoint(&files_of(&shown_by_bob)));
    app.remove_avatar(&ada).await.unwrap();
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&shown_by_bob));
}

#[tokio::test]
async fn removes_the_avatar_idempotently() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    assert_eq!(app.remove_avatar(&ada).await.unwrap(), *user(&ada), "there is none");

    app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let without = app.remove_avatar(&ada).await.unwrap();
    assert_eq!((without.avatar_url.as_str(), without.avatar_thumbnail_url.as_str()), ("", ""));
    assert_eq!(app.remove_avatar(&ada).await.unwrap(), without);
    assert_eq!(app.profile(&ada).await.unwrap(), without);
    app.wait_for_cleanup().await;
    assert!(app.files().is_empty());
}

#[tokio::test]
async fn returns_an_imported_avatar_url_until_the_avatar_is_replaced() {
    let app = TestApp::start().await;
    sqlx::query(
        "insert into identity.users (id, name, name_normalized, email, email_normalized, password_hash,
                                     avatar_url, avatar_thumbnail_url, deleted_at)
         values (gen_random_uuid(), 'Ada', 'ada', 'ada@example.org', 'ada@example.org', $1,
                 'https://images.example/ada', 'https://images.example/ada', null),
                (gen_random_uuid(), '', '', null, null, null, '', '', now())",
    )
    .bind(bcrypt::hash(PASSWORD, 4).unwrap())
    .execute(&app.db)
    .await
    .unwrap();

    let session = app.login("ada@example.org").await.unwrap();
    let ada = session.user.clone().unwrap();
    assert_eq!(ada.avatar_url, "https://images.example/ada");
    assert_eq!(ada.avatar_thumbnail_url, ada.avatar_url);

    app.set_avatar(&session, &png(8, 1)).await.unwrap();
    assert_eq!(app.files(), app.referenced_files().await);
    assert_eq!(app.remove_avatar(&session).await.unwrap().avatar_url, "");
}

#[tokio::test]
async fn a_rejected_upload_keeps_the_avatar() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let before = app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let image = png(64, 2);
    let truncated = upload(&image[..image.len() / 2]);
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
    let mut data_after_end = upload(&image);
    data_after_end.push(chunk(&image));
    let ended_twice = [upload(&image), vec![end()]].concat();
    let too_large = upload(&vec![0; (10 << 20) + 1]);

    for (parts, reason) in [
        (upload(svg), "unsupported_image"),
        (truncated, "invalid_image"),
        (too_large, "image_too_large"),
        (vec![chunk(&image)], "upload_incomplete"),
        (vec![], "upload_incomplete"),
        (vec![end()], "unsupported_image"),
        (vec![chunk(b""), end()], "unsupported_image"),
        (data_after_end, "upload_incomplete"),
        (ended_twice, "upload_incomplete"),
        (vec![chunk(&image), SetAvatarRequest { part: None }, end()], "upload_incomplete"),
    ] {
        let response = app.send_avatar(&ada, parts).await;
        assert_eq!(fields(response.clone()), ["image"], "{reason}");
        assert_eq!(rejection(response), invalid(reason));
    }
    assert_eq!(app.profile(&ada).await.unwrap(), before);
    assert_eq!(app.files(), files_of(&before));
}

#[tokio::test]
async fn rejects_avatars_of_more_than_2048_pixels_a_side() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    app.set_avatar(&ada, &png(2048, 1)).await.unwrap();
    let response = app.send_avatar(&ada, upload(&png(2049, 1))).await;
    let message = response.clone().unwrap_err().message().to_owned();
    assert_eq!(rejection(response), invalid("invalid_image"));
    assert!(message.contains("must be at most 2048 pixels wide and high, is 2049 x 2049"), "{message}");
}

#[tokio::test]
async fn rejects_unauthorized_uploads_before_reading_them() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.register("ada").await, app.register("bob").await);
    app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    // Directly in the database: the sessions of the first user stay active.
    sqlx::query("update identity.users set disabled = true where id = $1")
        .bind(id_of(user(&ada)))
        .execute(&app.db)
        .await
        .unwrap();
    sqlx::query("update identity.sessions set ended_at = now() where user_id = $1")
        .bind(id_of(user(&bob)))
        .execute(&app.db)
        .await
        .unwrap();

    let never_sent = || stream::pending::<SetAvatarRequest>();
    let time_limit = Duration::from_secs(10);
    for session in [&ada, &bob] {
        let mut client = app.bearer(&session.access_token).await;
        assert_eq!(
            rejection(timeout(time_limit, client.set_avatar(never_sent())).await.unwrap()),
            session_ended()
        );
        assert_eq!(rejection(client.remove_avatar(RemoveAvatarRequest {}).await), session_ended());
    }
    let unauthenticated = (Code::Unauthenticated, "unauthenticated".to_owned());
    let response = timeout(time_limit, app.anonymous().set_avatar(never_sent())).await.unwrap();
    assert_eq!(rejection(response), unauthenticated);
    assert_eq!(rejection(app.anonymous().remove_avatar(RemoveAvatarRequest {}).await), unauthenticated);
    assert_eq!(app.files(), app.referenced_files().await, "a disabled user keeps the avatar");
}

#[tokio::test]
async fn returns_unavailable_when_the_storage_is_down() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    let before = app.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let root = app.media_dir.path().join(crate::test_app::MEDIA);
    std::fs::rename(&root, root.with_extension("away")).unwrap();
    // A file in place of the directory.
    std::fs::write(&root, b"").unwrap();
    let response = app.set_avatar(&ada, &png(8, 2)).await;
    assert_eq!(rejection(response), (Code::Unavailable, "storage_unavailable".into()));
    assert_eq!(app.profile(&ada).await.unwrap(), before);

    std::fs::remove_file(&root).unwrap();
    std::fs::rename(root.with_extension("away"), &root).unwrap();
    let after = app.set_avatar(&ada, &png(8, 2)).await.unwrap();
    app.expire_unused_images().await;
    app.wait_for_cleanup().await;
    assert_eq!(app.files(), files_of(&after));
}

#[tokio::test]
async fn rejects_a_large_upload_while_the_client_is_still_sending() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: http::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service_token = ServiceToken::random();
    let auth = AuthLayer { service_token: service_token.clone(), verifier: app.verifier.clone() };
    let serving = tokio::spawn(async move { app.service.serve(&auth, listener).await });

    let client = IdentityServiceClient::new(Transport::remote("identity", uri, &service_token).streaming());
    let send = async |parts: Vec<SetAvatarRequest>| {
        let mut client = client.clone();
        let context = CallContext::default().with_bearer(&session.access_token);
        context.scope(async { client.set_avatar(stream::iter(parts)).await }).await
    };
    let four_times_the_limit = upload(&vec![0; 40 << 20]);
    assert_eq!(rejection(send(four_times_the_limit).await), invalid("image_too_large"));
    send(upload(&png(600, 3))).await.unwrap();

    app.shutdown.cancel();
    serving.await.unwrap().unwrap();
}
