//! Making an account.

use bodega_proto::identity::v1::{RegisterRequest, Role};
use futures_util::future::join_all;
use tonic::Code;

use crate::shop::{PASSWORD, Shop, fields, id_of, refusal, registration, user};

#[tokio::test]
async fn whoever_registers_is_signed_in_as_a_user() {
    let shop = Shop::open().await;
    let request = RegisterRequest {
        name: " Ada Lovelace ".into(),
        email: " Ada@Example.org ".into(),
        username: "Ada.L".into(),
        password: PASSWORD.into(),
        user_agent: String::new(),
    };
    let session = shop.anyone().register(request).await.unwrap().into_inner().session.unwrap();
    let user = user(&session);
    assert_eq!(
        (user.name.as_str(), user.email.as_str(), user.username.as_str()),
        ("Ada Lovelace", "Ada@Example.org", "Ada.L")
    );
    assert_eq!((user.role(), user.disabled, session.expires_in), (Role::User, false, 900));
    assert_eq!(id_of(user).get_version_num(), 7);

    let caller = shop.verifier.verify(&session.access_token).await.unwrap();
    assert_eq!(caller.user_id, id_of(user));
    assert!(!caller.is_admin());
    assert_eq!(shop.profile(&session).await.unwrap(), *user);
    let kept = shop.kept_hash(user).await.unwrap();
    assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
}

#[tokio::test]
async fn every_refused_field_is_named_at_once() {
    let shop = Shop::open().await;
    let request = RegisterRequest {
        name: " ".into(),
        email: "ada".into(),
        username: "ada@example.org".into(),
        password: "short".into(),
        user_agent: String::new(),
    };
    let refused = fields(shop.anyone().register(request).await);
    assert_eq!(refused, ["name", "email", "username", "password"]);

    for password in ["password123", "ADA@example.org", &"x".repeat(257)] {
        let request = RegisterRequest { password: password.into(), ..registration("ada") };
        assert_eq!(fields(shop.anyone().register(request).await), ["password"], "{password}");
    }
    let request = RegisterRequest { name: "Ada\0".into(), ..registration("ada") };
    assert_eq!(fields(shop.anyone().register(request).await), ["name"]);
}

#[tokio::test]
async fn an_email_or_username_is_taken_in_every_spelling() {
    let shop = Shop::open().await;
    shop.register("zoë").await;
    let request = RegisterRequest { email: "ZOE\u{308}@EXAMPLE.org".into(), ..registration("other") };
    assert_eq!(refusal(shop.anyone().register(request).await), (Code::AlreadyExists, "email_taken".into()));
    let request = RegisterRequest { username: "Zoe\u{308}".into(), ..registration("other") };
    assert_eq!(
        refusal(shop.anyone().register(request).await),
        (Code::AlreadyExists, "username_taken".into())
    );
}

#[tokio::test]
async fn many_may_have_no_username() {
    let shop = Shop::open().await;
    for name in ["one", "two"] {
        let request = RegisterRequest { username: String::new(), ..registration(name) };
        let session = shop.anyone().register(request).await.unwrap().into_inner().session.unwrap();
        assert_eq!(user(&session).username, "");
    }
}

#[tokio::test]
async fn registering_one_email_many_times_at_once_makes_one_account() {
    let shop = Shop::open().await;
    let attempts = (0..12).map(|index| {
        let mut client = shop.anyone();
        let email = if index % 2 == 0 { "Ada@example.org" } else { "aDA@EXAMPLE.ORG" };
        let request = RegisterRequest { email: email.into(), username: String::new(), ..registration("ada") };
        async move { client.register(request).await }
    });
    let (made, refused): (Vec<_>, Vec<_>) = join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    for answer in refused {
        assert_eq!(refusal(answer), (Code::AlreadyExists, "email_taken".into()));
    }
}
