//! Login.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bodega_embedded_postgres::testing::TempDir;
use bodega_identity::Settings;
use bodega_proto::identity::v1::{
    ChangePasswordRequest, ListSessionsRequest, LoginRequest, UpdateUserRequest,
};
use bodega_runtime::{context::CallContext, database, rate_limit::RateLimits};
use futures_util::future::join_all;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::test_app::{
    PASSWORD, SECRET, TestApp, fields, invalid_credentials, migrated, registration, rejection, settings, user,
};

#[tokio::test]
async fn logs_in_by_email_or_username_in_any_case_and_representation() {
    let app = TestApp::start().await;
    let registered = app.register("zoë").await;
    for login in ["zoë", "ZOË", "zoe\u{308}", "zoë@example.org", " Zoë@EXAMPLE.ORG "] {
        let session = app.login(login).await.unwrap();
        assert_eq!(user(&session).id, user(&registered).id, "{login}");
        assert_ne!(session.refresh_token, registered.refresh_token);
    }
}

/// Returns everything that a client can see of a rejection.
fn visible(response: Result<impl std::fmt::Debug, Status>) -> (Code, String, Vec<u8>, String) {
    let status = response.unwrap_err();
    let metadata = format!("{:?}", status.metadata());
    (status.code(), status.message().to_owned(), status.details().to_vec(), metadata)
}

#[tokio::test]
async fn unknown_login_wrong_password_and_disabled_user_have_the_same_response() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    app.register("ada").await;
    let disabled = app.register("eve").await;
    let request =
        UpdateUserRequest { id: user(&disabled).id.clone(), disabled: Some(true), ..Default::default() };
    app.update_user(&admin, request).await.unwrap();

    let unknown = app.login("nobody@example.org").await;
    assert_eq!(rejection(unknown.clone()), invalid_credentials());
    let unknown = visible(unknown);
    assert_eq!(visible(app.login_with("ada", "wrong horse battery").await), unknown);
    assert_eq!(visible(app.login("eve").await), unknown);
    assert_eq!(visible(app.login_with("eve", "wrong horse battery").await), unknown);
}

#[tokio::test]
async fn rejects_impossible_logins_as_invalid_credentials() {
    let app = TestApp::start().await;
    app.register("ada").await;
    for login in ["a\0da", &"x".repeat(1 << 20), "%", "ada@", "'"] {
        assert_eq!(rejection(app.login(login).await), invalid_credentials());
    }
    for password in ["\0", &"x".repeat(1 << 20)] {
        assert_eq!(rejection(app.login_with("ada", password).await), invalid_credentials());
    }
    assert_eq!(fields(app.login_with(" ", "").await), ["login", "password"]);
}

#[tokio::test]
async fn accepts_a_bcrypt_hash_and_upgrades_it() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let ada = user(&session);
    app.set_password_hash(ada, &bcrypt::hash("imported password", 4).unwrap()).await;

    assert_eq!(rejection(app.login_with("ada", "not the password").await), invalid_credentials());
    assert!(
        app.password_hash(ada).await.unwrap().starts_with("$2"),
        "a wrong password does not upgrade the hash"
    );

    // Each upgrades the hash that the others have just verified.
    let logins = (0..4).map(|_| app.login_with("ada", "imported password"));
    for response in join_all(logins).await {
        response.unwrap();
    }
    assert!(app.password_hash(ada).await.unwrap().starts_with("$argon2id$"));
    app.login_with("ada", "imported password").await.unwrap();
}

/// bcrypt ignores what follows the first 72 bytes.
#[tokio::test]
async fn an_imported_hash_of_a_long_password_stays_that_of_its_owner() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let [own, other] = ["tail-one", "tail-TWO"].map(|end| format!("{}{end}", "x".repeat(72)));
    app.set_password_hash(user(&session), &bcrypt::hash(&own, 4).unwrap()).await;
    let _ = app.login_with("ada", &other).await;
    app.login_with("ada", &own).await.unwrap();
    let nul = format!("{}\0", "x".repeat(72));
    assert_eq!(rejection(app.login_with("ada", &nul).await), invalid_credentials());
    assert!(app.password_hash(user(&session)).await.unwrap().starts_with("$2"), "never replaced");
}

#[tokio::test]
async fn a_new_password_replaces_an_imported_hash_as_a_whole() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let [old, new, other] =
        ["one", "two", "TWO"].map(|end| format!("{}{end}", "four cups of tea ".repeat(5)));
    app.set_password_hash(user(&session), &bcrypt::hash(&old, 4).unwrap()).await;
    let request = ChangePasswordRequest { current_password: old.clone(), new_password: new.clone() };
    app.bearer(&session.access_token).await.change_password(request).await.unwrap();
    app.login_with("ada", &new).await.unwrap();
    for wrong in [old, other] {
        assert_eq!(rejection(app.login_with("ada", &wrong).await), invalid_credentials());
    }
}

#[tokio::test]
async fn a_rejected_login_takes_as_long_for_unknown_users_as_for_imported_ones() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    app.register("grace").await;
    app.set_password_hash(user(&session), &bcrypt::hash("imported password", 12).unwrap()).await;
    let took = async |login: &str| {
        let start = Instant::now();
        assert_eq!(rejection(app.login_with(login, "wrong horse battery").await), invalid_credentials());
        start.elapsed()
    };
    let imported = took("ada").await;
    for login in ["nobody", "grace"] {
        // The time of the first rejection, with a margin, is the least time of the others.
        assert!(took(login).await >= imported.mul_f64(0.9).min(Duration::from_millis(900)), "{login}");
    }
}

#[tokio::test]
async fn rejects_logins_beyond_the_hashing_limit() {
    let mut settings = settings();
    settings.max_concurrent_hashes = 1;
    let without_limit = TestApp::start_with(settings.clone()).await;
    without_limit.register("ada").await;
    settings.hash_wait = Duration::from_millis(1);
    let app = without_limit.replica_with(settings).await;

    // Logins of unknown users are rejected for load like others, or they could be distinguished.
    for login in ["ada", "nobody"] {
        let start = Instant::now();
        let responses = join_all((0..20).map(|_| app.login_with(login, "wrong horse battery"))).await;
        let mut rejected_logins = 0;
        for status in responses.into_iter().map(Result::unwrap_err) {
            if status.code() == Code::ResourceExhausted {
                assert_eq!(bodega_runtime::status::reason(&status), "too_busy");
                assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
                rejected_logins += 1;
            } else {
                assert_eq!(rejection::<()>(Err(status)), invalid_credentials());
            }
        }
        assert!(rejected_logins > 0 && rejected_logins < 20, "{login}: {rejected_logins} of 20");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn rejects_logins_beyond_the_hashing_limit_without_a_statement() {
    let mut settings = settings();
    settings.max_concurrent_hashes = 1;
    settings.hash_wait = Duration::from_millis(1);
    let app = TestApp::start_with(settings).await;
    // All that the pool has.
    let connections = join_all((0..5).map(|_| app.db.acquire())).await;
    assert!(connections.iter().all(Result::is_ok));
    let hashing = async { app.anonymous().register(registration("ada")).await };
    let login = async {
        let rejected = rejection(app.login("grace").await);
        drop(connections);
        rejected
    };
    let (registered, rejected) = tokio::join!(biased; hashing, login);
    registered.unwrap();
    assert_eq!(rejected, (Code::ResourceExhausted, "too_busy".into()), "does not wait for a connection");
}

#[tokio::test]
async fn responds_to_200_concurrent_logins_before_their_deadline() {
    const TIME: Duration = Duration::from_millis(1900);
    let defaults = Settings {
        max_concurrent_hashes: 1,
        rate_limits: RateLimits::Off,
        ..Settings::new(SECRET.parse().unwrap())
    };
    let database = Arc::new(migrated().await);
    // On a loaded machine, logins must not wait for a connection for longer than the pool allows.
    let pool = database::pool(database.url().parse().unwrap(), 20, "identity");
    let app = TestApp::start_with_pool(database, TempDir::new("media").unwrap().into(), pool, defaults).await;
    let ada = app.register("ada").await;
    let in_time = || CallContext { deadline: Some(tokio::time::Instant::now() + TIME), ..Default::default() };

    let start = Instant::now();
    let logins = (0..200).map(async |_| (in_time().scope(app.login("ada")).await, start.elapsed()));
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let started = Instant::now();
        app.profile(&ada).await.unwrap();
        started.elapsed()
    };
    let (responses, others_waited) = tokio::join!(join_all(logins), meanwhile);

    let (mut logged_in, mut rejected_logins) = (0, Vec::new());
    for (response, took) in responses {
        let Err(status) = response else {
            logged_in += 1;
            continue;
        };
        assert_eq!(bodega_runtime::status::reason(&status), "too_busy", "{status}");
        let pause = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!((1..=3).contains(&pause.as_secs()), "{pause:?}");
        rejected_logins.push(took);
    }
    assert!(logged_in > 0, "logins that wait for less than a second succeed");
    rejected_logins.sort();
    let at_once = rejected_logins[rejected_logins.len() / 2];
    assert!(rejected_logins.len() > 100 && at_once < Duration::from_millis(900), "most at once: {at_once:?}");
    assert!(others_waited < Duration::from_secs(1), "other calls do not wait: {others_waited:?}");
    app.login("ada").await.expect("the load has ended");
}

#[tokio::test]
async fn hashing_holds_no_database_connection() {
    let app = TestApp::start().await;
    app.register("ada").await;
    // Many more than the connections of the pool, all hashing or waiting for a permit.
    let logins = (0..24).map(|index| {
        let app = &app;
        async move {
            let name = format!("new{index}");
            app.anonymous().register(registration(&name)).await.unwrap();
        }
    });
    let meanwhile = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let start = Instant::now();
        sqlx::query("select 1").execute(&app.db).await.unwrap();
        start.elapsed()
    };
    let (_, waited) = tokio::join!(join_all(logins), meanwhile);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test]
async fn stores_a_sanitized_user_agent() {
    let app = TestApp::start().await;
    app.register("ada").await;
    let request = LoginRequest {
        login: "ada".into(),
        password: PASSWORD.into(),
        user_agent: format!("Browser/1\0\n{}", "x".repeat(500)),
    };
    let session = app.anonymous().login(request).await.unwrap().into_inner().session.unwrap();
    let mut client = app.bearer(&session.access_token).await;
    let sessions = client.list_sessions(ListSessionsRequest {}).await.unwrap().into_inner().sessions;
    let current = sessions.iter().find(|session| session.current).unwrap();
    assert_eq!(current.user_agent.chars().count(), 200);
    assert!(current.user_agent.starts_with("Browser/1xxx"));
}
