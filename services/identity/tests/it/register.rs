//! Registration.

use bodega_proto::identity::v1::{RegisterRequest, Role};
use futures_util::future::join_all;
use tonic::Code;

use crate::test_app::{PASSWORD, TestApp, fields, id_of, registration, rejection, user};

#[tokio::test]
async fn registers_a_user_and_starts_a_session() {
    let app = TestApp::start().await;
    let request = RegisterRequest {
        name: " Ada Lovelace ".into(),
        email: " Ada@Example.org ".into(),
        username: "Ada.L".into(),
        password: PASSWORD.into(),
        user_agent: String::new(),
    };
    let session = app.anonymous().register(request).await.unwrap().into_inner().session.unwrap();
    let user = user(&session);
    assert_eq!(
        (user.name.as_str(), user.email.as_str(), user.username.as_str()),
        ("Ada Lovelace", "Ada@Example.org", "Ada.L")
    );
    assert_eq!((user.role(), user.disabled, session.expires_in), (Role::User, false, 900));
    assert_eq!(id_of(user).get_version_num(), 7);

    let caller = app.verifier.verify(&session.access_token).await.unwrap();
    assert_eq!(caller.user_id, id_of(user));
    assert!(!caller.is_admin());
    assert_eq!(app.profile(&session).await.unwrap(), *user);
    let hash = app.password_hash(user).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
}

#[tokio::test]
async fn names_all_invalid_fields() {
    let app = TestApp::start().await;
    let request = RegisterRequest {
        name: " ".into(),
        email: "ada".into(),
        username: "ada@example.org".into(),
        password: "short".into(),
        user_agent: String::new(),
    };
    let rejected = fields(app.anonymous().register(request).await);
    assert_eq!(rejected, ["name", "email", "username", "password"]);

    for password in ["password123", "ADA@example.org", &"x".repeat(257)] {
        let request = RegisterRequest { password: password.into(), ..registration("ada") };
        assert_eq!(fields(app.anonymous().register(request).await), ["password"], "{password}");
    }
    let request = RegisterRequest { name: "Ada\0".into(), ..registration("ada") };
    assert_eq!(fields(app.anonymous().register(request).await), ["name"]);
}

#[tokio::test]
async fn rejects_an_email_or_username_in_use_in_any_case_and_representation() {
    let app = TestApp::start().await;
    app.register("zoë").await;
    let request = RegisterRequest { email: "ZOE\u{308}@EXAMPLE.org".into(), ..registration("other") };
    assert_eq!(
        rejection(app.anonymous().register(request).await),
        (Code::AlreadyExists, "email_taken".into())
    );
    let request = RegisterRequest { username: "Zoe\u{308}".into(), ..registration("other") };
    assert_eq!(
        rejection(app.anonymous().register(request).await),
        (Code::AlreadyExists, "username_taken".into())
    );
}

#[tokio::test]
async fn several_users_can_have_no_username() {
    let app = TestApp::start().await;
    for name in ["one", "two"] {
        let request = RegisterRequest { username: String::new(), ..registration(name) };
        let session = app.anonymous().register(request).await.unwrap().into_inner().session.unwrap();
        assert_eq!(user(&session).username, "");
    }
}

#[tokio::test]
async fn concurrent_registrations_of_one_email_create_one_user() {
    let app = TestApp::start().await;
    let attempts = (0..12).map(|index| {
        let mut client = app.anonymous();
        let email = if index % 2 == 0 { "Ada@example.org" } else { "aDA@EXAMPLE.ORG" };
        let request = RegisterRequest { email: email.into(), username: String::new(), ..registration("ada") };
        async move { client.register(request).await }
    });
    let (created, rejected): (Vec<_>, Vec<_>) = join_all(attempts).await.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    for response in rejected {
        assert_eq!(rejection(response), (Code::AlreadyExists, "email_taken".into()));
    }
}
