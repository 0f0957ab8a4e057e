//! The pictures that people show of themselves.

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
    pictures::{chunk, end, files_of, jpeg, png, upload},
    shop::{PASSWORD, Shop, fields, id_of, refusal, session_ended, user},
};

fn invalid(reason: &str) -> (Code, String) {
    (Code::InvalidArgument, reason.into())
}

#[tokio::test]
async fn a_picture_is_shown_wherever_its_account_is() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    let ada = shop.register("ada").await;
    assert_eq!((user(&ada).avatar_url.as_str(), user(&ada).avatar_thumbnail_url.as_str()), ("", ""));

    let shown = shop.set_avatar(&ada, &png(600, 200)).await.unwrap();
    assert_eq!(shop.files(), files_of(&shown));
    let original = image::load_from_memory(&shop.read(&shown.avatar_url)).unwrap().to_rgb8();
    let thumbnail = image::load_from_memory(&shop.read(&shown.avatar_thumbnail_url)).unwrap();
    assert_eq!((original.width(), original.get_pixel(0, 0).0), (600, [200, 0, 0]));
    assert_eq!((thumbnail.width(), thumbnail.height()), (400, 400));
    assert!(shown.updated_at.unwrap().nanos != user(&ada).updated_at.unwrap().nanos);

    assert_eq!(shop.profile(&ada).await.unwrap(), shown);
    assert_eq!(shop.login("ada").await.unwrap().user.unwrap(), shown);
    assert_eq!(shop.refresh(&ada.refresh_token).await.unwrap().user.unwrap(), shown);
    let mut client = shop.bearer(&ada.access_token).await;
    let request = UpdateProfileRequest { name: Some("Ada".into()), ..Default::default() };
    let renamed = client.update_profile(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(files_of(&renamed), files_of(&shown));

    let mut client = shop.bearer(&admin.access_token).await;
    let listed = client.list_users(ListUsersRequest::default()).await.unwrap().into_inner().users;
    assert_eq!(listed.iter().find(|user| user.id == shown.id), Some(&renamed));
    assert!(listed.iter().all(|user| user.id == shown.id || user.avatar_url.is_empty()));
    let request = UpdateUserRequest { id: shown.id.clone(), disabled: Some(true), ..Default::default() };
    let (disabled, _) = shop.update_user(&admin, request).await.unwrap();
    assert_eq!(files_of(&disabled), files_of(&shown));
}

#[tokio::test]
async fn a_new_picture_takes_the_place_of_the_one_before() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let first = shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let second = shop.set_avatar(&ada, &jpeg(8, 200)).await.unwrap();
    assert!(files_of(&first).is_disjoint(&files_of(&second)), "caches must not show the old one");
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&second));
    assert_eq!(shop.profile(&ada).await.unwrap(), second);
}

#[tokio::test]
async fn the_same_picture_belongs_to_each_who_shows_it() {
    let shop = Shop::open().await;
    let (ada, bob) = (shop.register("ada").await, shop.register("bob").await);
    let picture = png(8, 1);
    let shown_by_ada = shop.set_avatar(&ada, &picture).await.unwrap();
    let shown_by_bob = shop.set_avatar(&bob, &picture).await.unwrap();
    assert!(files_of(&shown_by_ada).is_disjoint(&files_of(&shown_by_bob)));
    shop.remove_avatar(&ada).await.unwrap();
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&shown_by_bob));
}

#[tokio::test]
async fn a_picture_is_taken_away_once_and_may_be_asked_away_again() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    assert_eq!(shop.remove_avatar(&ada).await.unwrap(), *user(&ada), "there was none");

    shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let without = shop.remove_avatar(&ada).await.unwrap();
    assert_eq!((without.avatar_url.as_str(), without.avatar_thumbnail_url.as_str()), ("", ""));
    assert_eq!(shop.remove_avatar(&ada).await.unwrap(), without);
    assert_eq!(shop.profile(&ada).await.unwrap(), without);
    shop.swept().await;
    assert!(shop.files().is_empty());
}

#[tokio::test]
async fn returns_an_imported_avatar_url_until_the_avatar_is_replaced() {
    let shop = Shop::open().await;
    sqlx::query(
        "insert into identity.users (id, name, name_normalized, email, email_normalized, password_hash,
                                     avatar_url, avatar_thumbnail_url, deleted_at)
         values (gen_random_uuid(), 'Ada', 'ada', 'ada@example.org', 'ada@example.org', $1,
                 'https://pictures.example/ada', 'https://pictures.example/ada', null),
                (gen_random_uuid(), '', '', null, null, null, '', '', now())",
    )
    .bind(bcrypt::hash(PASSWORD, 4).unwrap())
    .execute(&shop.db)
    .await
    .unwrap();

    let session = shop.login("ada@example.org").await.unwrap();
    let ada = session.user.clone().unwrap();
    assert_eq!(ada.avatar_url, "https://pictures.example/ada");
    assert_eq!(ada.avatar_thumbnail_url, ada.avatar_url);

    shop.set_avatar(&session, &png(8, 1)).await.unwrap();
    assert_eq!(shop.files(), shop.shown().await);
    assert_eq!(shop.remove_avatar(&session).await.unwrap().avatar_url, "");
}

#[tokio::test]
async fn a_refused_upload_leaves_the_picture_there_was() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let before = shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let picture = png(64, 2);
    let torn = upload(&picture[..picture.len() / 2]);
    let svg = br#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
    let mut followed = upload(&picture);
    followed.push(chunk(&picture));
    let ended_twice = [upload(&picture), vec![end()]].concat();
    let too_large = upload(&vec![0; (10 << 20) + 1]);

    for (parts, reason) in [
        (upload(svg), "unsupported_image"),
        (torn, "invalid_image"),
        (too_large, "image_too_large"),
        (vec![chunk(&picture)], "upload_incomplete"),
        (vec![], "upload_incomplete"),
        (vec![end()], "unsupported_image"),
        (vec![chunk(b""), end()], "unsupported_image"),
        (followed, "upload_incomplete"),
        (ended_twice, "upload_incomplete"),
        (vec![chunk(&picture), SetAvatarRequest { part: None }, end()], "upload_incomplete"),
    ] {
        let answer = shop.send_avatar(&ada, parts).await;
        assert_eq!(fields(answer.clone()), ["image"], "{reason}");
        assert_eq!(refusal(answer), invalid(reason));
    }
    assert_eq!(shop.profile(&ada).await.unwrap(), before);
    assert_eq!(shop.files(), files_of(&before));
}

#[tokio::test]
async fn whoever_may_not_is_turned_away_before_a_byte_is_read() {
    let shop = Shop::open().await;
    let (ada, bob) = (shop.register("ada").await, shop.register("bob").await);
    shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    // The sessions go on: an access token outlives what is done to its account.
    sqlx::query("update identity.users set disabled = true where id = $1")
        .bind(id_of(user(&ada)))
        .execute(&shop.db)
        .await
        .unwrap();
    sqlx::query("update identity.sessions set ended_at = now() where user_id = $1")
        .bind(id_of(user(&bob)))
        .execute(&shop.db)
        .await
        .unwrap();

    let never_sent = || stream::pending::<SetAvatarRequest>();
    let soon = Duration::from_secs(10);
    for session in [&ada, &bob] {
        let mut client = shop.bearer(&session.access_token).await;
        assert_eq!(refusal(timeout(soon, client.set_avatar(never_sent())).await.unwrap()), session_ended());
        assert_eq!(refusal(client.remove_avatar(RemoveAvatarRequest {}).await), session_ended());
    }
    let unauthenticated = (Code::Unauthenticated, "unauthenticated".to_owned());
    let answer = timeout(soon, shop.anyone().set_avatar(never_sent())).await.unwrap();
    assert_eq!(refusal(answer), unauthenticated);
    assert_eq!(refusal(shop.anyone().remove_avatar(RemoveAvatarRequest {}).await), unauthenticated);
    assert_eq!(
        shop.files(),
        shop.shown().await,
        "what a disabled account showed, it shows again when enabled"
    );
}

#[tokio::test]
async fn a_storage_that_is_down_is_told_apart_from_a_bad_picture() {
    let shop = Shop::open().await;
    let ada = shop.register("ada").await;
    let before = shop.set_avatar(&ada, &png(8, 1)).await.unwrap();
    let root = shop.pictures.path().join(crate::shop::MEDIA);
    std::fs::rename(&root, root.with_extension("away")).unwrap();
    // Where a directory should be.
    std::fs::write(&root, b"").unwrap();
    let answer = shop.set_avatar(&ada, &png(8, 2)).await;
    assert_eq!(refusal(answer), (Code::Unavailable, "unavailable".into()));
    assert_eq!(shop.profile(&ada).await.unwrap(), before);

    std::fs::remove_file(&root).unwrap();
    std::fs::rename(root.with_extension("away"), &root).unwrap();
    let after = shop.set_avatar(&ada, &png(8, 2)).await.unwrap();
    shop.an_hour_later().await;
    shop.swept().await;
    assert_eq!(shop.files(), files_of(&after));
}

#[tokio::test]
async fn a_refusal_arrives_over_a_socket_while_bytes_are_still_sent() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: http::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let service_token = ServiceToken::random();
    let guard = AuthLayer { service_token: service_token.clone(), verifier: shop.verifier.clone() };
    let serving = tokio::spawn(async move { shop.service.serve(&guard, listener).await });

    let client = IdentityServiceClient::new(Transport::remote(uri, &service_token).streaming());
    let send = async |parts: Vec<SetAvatarRequest>| {
        let mut client = client.clone();
        let context = CallContext::default().with_bearer(&session.access_token);
        context.scope(async { client.set_avatar(stream::iter(parts)).await }).await
    };
    let four_times_too_much = upload(&vec![0; 40 << 20]);
    assert_eq!(refusal(send(four_times_too_much).await), invalid("image_too_large"));
    send(upload(&png(600, 3))).await.unwrap();

    shop.shutdown.cancel();
    serving.await.unwrap().unwrap();
}
