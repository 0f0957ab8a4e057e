//! Signing in.

use std::time::{Duration, Instant};

use bodega_identity::Settings;
use bodega_proto::identity::v1::{ListSessionsRequest, LoginRequest, UpdateUserRequest};
use bodega_runtime::context::CallContext;
use futures_util::future::join_all;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::shop::{
    PASSWORD, SECRET, Shop, fields, invalid_credentials, refusal, registration, settings, user,
};

#[tokio::test]
async fn email_and_username_sign_in_in_every_spelling() {
    let shop = Shop::open().await;
    let registered = shop.register("zoë").await;
    for login in ["zoë", "ZOË", "zoe\u{308}", "zoë@example.org", " Zoë@EXAMPLE.ORG "] {
        let session = shop.login(login).await.unwrap();
        assert_eq!(user(&session).id, user(&registered).id, "{login}");
        assert_ne!(session.refresh_token, registered.refresh_token);
    }
}

/// All that a client sees of a refusal.
fn seen(answer: Result<impl std::fmt::Debug, Status>) -> (Code, String, Vec<u8>, String) {
    let status = answer.unwrap_err();
    let metadata = format!("{:?}", status.metadata());
    (status.code(), status.message().to_owned(), status.details().to_vec(), metadata)
}

#[tokio::test]
async fn an_unknown_login_a_wrong_password_and_a_disabled_account_look_alike() {
    let shop = Shop::open().await;
    let admin = shop.admin("root").await;
    shop.register("ada").await;
    let disabled = shop.register("eve").await;
    let request =
        UpdateUserRequest { id: user(&disabled).id.clone(), disabled: Some(true), ..Default::default() };
    shop.update_user(&admin, request).await.unwrap();

    let unknown = shop.login("nobody@example.org").await;
    assert_eq!(refusal(unknown.clone()), invalid_credentials());
    let unknown = seen(unknown);
    assert_eq!(seen(shop.login_with("ada", "wrong horse battery").await), unknown);
    assert_eq!(seen(shop.login("eve").await), unknown);
    assert_eq!(seen(shop.login_with("eve", "wrong horse battery").await), unknown);
}

#[tokio::test]
async fn logins_that_nobody_can_have_are_unknown() {
    let shop = Shop::open().await;
    shop.register("ada").await;
    for login in ["a\0da", &"x".repeat(1 << 20), "%", "ada@", "'"] {
        assert_eq!(refusal(shop.login(login).await), invalid_credentials());
    }
    for password in ["\0", &"x".repeat(1 << 20)] {
        assert_eq!(refusal(shop.login_with("ada", password).await), invalid_credentials());
    }
    assert_eq!(fields(shop.login_with(" ", "").await), ["login", "password"]);
}

#[tokio::test]
async fn a_bcrypt_hash_signs_in_and_is_replaced() {
    let shop = Shop::open().await;
    let session = shop.register("ada").await;
    let ada = user(&session);
    shop.keep_hash(ada, &bcrypt::hash("brought from elsewhere", 4).unwrap()).await;

    assert_eq!(refusal(shop.login_with("ada", "brought by nobody").await), invalid_credentials());
    assert!(shop.kept_hash(ada).await.unwrap().starts_with("$2"), "a wrong password replaces nothing");

    // Each replaces the hash that the others have just verified against.
    let logins = (0..4).map(|_| shop.login_with("ada", "brought from elsewhere"));
    for answer in join_all(logins).await {
        answer.unwrap();
    }
    assert!(shop.kept_hash(ada).await.unwrap().starts_with("$argon2id$"));
    shop.login_with("ada", "brought from elsewhere").await.unwrap();
}

#[tokio::test]
async fn more_passwords_than_cores_are_refused_rather_than_queued_for_ever() {
    let mut settings = settings();
    settings.max_concurrent_hashes = 1;
    let patient = Shop::open_with(settings.clone()).await;
    patient.register("ada").await;
    settings.hash_wait = Duration::from_millis(1);
    let shop = patient.replica_with(settings).await;

    // An unknown account takes its turn like any other: else it would be told apart by never being sent away.
    for login in ["ada", "nobody"] {
        let begun = Instant::now();
        let answers = join_all((0..20).map(|_| shop.login_with(login, "wrong horse battery"))).await;
        let mut sent_away = 0;
        for status in answers.into_iter().map(Result::unwrap_err) {
            if status.code() == Code::ResourceExhausted {
                assert_eq!(bodega_runtime::status::reason(&status), "too_busy");
                assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
                sent_away += 1;
            } else {
                assert_eq!(refusal::<()>(Err(status)), invalid_credentials());
            }
        }
        assert!(sent_away > 0 && sent_away < 20, "{login}: {sent_away} of 20");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn two_hundred_logins_at_once_are_all_answered_before_their_deadline() {
    const TIME: Duration = Duration::from_millis(1900);
    let defaults = Settings { max_concurrent_hashes: 1, ..Settings::new(SECRET.parse().unwrap()) };
    let shop = Shop::open_with(defaults).await;
    let ada = shop.register("ada").await;
    let in_time = || CallContext { deadline: Some(tokio::time::Instant::now() + TIME), ..Default::default() };

    let began = Instant::now();
    let logins = (0..200).map(async |_| (in_time().scope(shop.login("ada")).await, began.elapsed()));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let asked = Instant::now();
        shop.profile(&ada).await.unwrap();
        asked.elapsed()
    };
    let (answers, others_waited) = tokio::join!(join_all(logins), meanwhile);

    let (mut signed_in, mut sent_away) = (0, Vec::new());
    for (answer, took) in answers {
        let Err(status) = answer else {
            signed_in += 1;
            continue;
        };
        assert_eq!(bodega_runtime::status::reason(&status), "too_busy", "{status}");
        let pause = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!((1..=3).contains(&pause.as_secs()), "{pause:?}");
        sent_away.push(took);
    }
    assert!(signed_in > 0, "those who wait for less than a second are let in");
    sent_away.sort();
    let at_once = sent_away[sent_away.len() / 2];
    assert!(sent_away.len() > 100 && at_once < Duration::from_millis(900), "most at once: {at_once:?}");
    assert!(others_waited < Duration::from_secs(1), "nobody else waits for a turn: {others_waited:?}");
    shop.login("ada").await.expect("it is quiet again");
}

#[tokio::test]
async fn hashing_holds_no_connection() {
    let shop = Shop::open().await;
    shop.register("ada").await;
    // Many more than the pool has connections, all hashing or waiting for it.
    let logins = (0..24).map(|index| {
        let shop = &shop;
        async move {
            let name = format!("new{index}");
            shop.anyone().register(registration(&name)).await.unwrap();
        }
    });
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        sqlx::query("select 1").execute(&shop.db).await.unwrap();
        begun.elapsed()
    };
    let (_, waited) = tokio::join!(join_all(logins), meanwhile);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn a_session_remembers_what_it_was_begun_with() {
    let shop = Shop::open().await;
    shop.register("ada").await;
    let request = LoginRequest {
        login: "ada".into(),
        password: PASSWORD.into(),
        user_agent: format!("Browser/1\0\n{}", "x".repeat(500)),
    };
    let session = shop.anyone().login(request).await.unwrap().into_inner().session.unwrap();
    let mut client = shop.bearer(&session.access_token).await;
    let sessions = client.list_sessions(ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    let current = sessions.iter().find(|session| session.current).unwrap();
    assert_eq!(current.user_agent.chars().count(), 200);
    assert!(current.user_agent.starts_with("Browser/1xxx"));
}
