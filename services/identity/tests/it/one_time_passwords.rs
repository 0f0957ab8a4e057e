//! One-time passwords, which the command line sets.

use bodega_identity::{ONE_TIME_PASSWORD_TTL, reset_password};
use bodega_proto::identity::v1::{ChangePasswordRequest, UpdateUserRequest};

use crate::test_app::{
    PASSWORD, TestApp, id_of, invalid_credentials, invalid_refresh_token, rejection, settings, user,
};

const ONE_TIME: &str = "Xk3vTq9LmZ7wRb2d";

async fn reset(app: &TestApp, login: &str) -> anyhow::Result<uuid::Uuid> {
    reset_password(&app.db, &settings(), login, ONE_TIME).await
}

#[tokio::test]
async fn a_one_time_password_starts_one_session_in_which_a_new_one_is_set() {
    let app = TestApp::start().await;
    let before = app.register("ada").await;
    assert_eq!(reset(&app, " ADA@example.org ").await.unwrap(), id_of(user(&before)));

    assert_eq!(rejection(app.refresh(&before.refresh_token).await), invalid_refresh_token(), "sessions end");
    assert_eq!(rejection(app.login("ada").await), invalid_credentials(), "the old password is gone");
    let session = app.login_with("ada", ONE_TIME).await.unwrap();
    assert_eq!(rejection(app.login_with("ada", ONE_TIME).await), invalid_credentials(), "used");

    let new_password = "tea at half past five";
    let request =
        ChangePasswordRequest { current_password: ONE_TIME.into(), new_password: new_password.into() };
    app.bearer(&session.access_token).await.change_password(request).await.unwrap();
    for _ in 0..2 {
        app.login_with("ada", new_password).await.unwrap();
    }
}

#[tokio::test]
async fn concurrent_logins_start_one_session() {
    let app = TestApp::start().await;
    let ada = app.register("ada").await;
    reset(&app, "ada").await.unwrap();
    let logins = futures_util::future::join_all((0..8).map(|_| app.login_with("ada", ONE_TIME))).await;
    assert_eq!(logins.iter().filter(|login| login.is_ok()).count(), 1);
    assert_eq!(app.active_sessions(user(&ada)).await, 1);
}

#[tokio::test]
async fn a_one_time_password_expires() {
    let app = TestApp::start().await;
    app.register("ada").await;
    reset(&app, "ada").await.unwrap();
    let hours: f64 = sqlx::query_scalar(
        "select extract(epoch from password_expires_at - now())::float8 from identity.users where username = 'ada'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    assert!((hours - ONE_TIME_PASSWORD_TTL.as_secs_f64()).abs() < 600.0, "{hours}");
    sqlx::query("update identity.users set password_expires_at = now() - interval '1 second'")
        .execute(&app.db)
        .await
        .unwrap();
    assert_eq!(rejection(app.login_with("ada", ONE_TIME).await), invalid_credentials());
}

#[tokio::test]
async fn resets_no_password_of_an_unknown_or_disabled_user() {
    let app = TestApp::start().await;
    let admin = app.admin("root").await;
    let eve = app.register("eve").await;
    let request = UpdateUserRequest { id: user(&eve).id.clone(), disabled: Some(true), ..Default::default() };
    app.update_user(&admin, request).await.unwrap();
    assert_eq!(reset(&app, "eve").await.unwrap_err().to_string(), "the user is disabled");
    let unknown = reset(&app, "nobody").await.unwrap_err().to_string();
    assert_eq!(unknown, "no user has this email or username");
    app.login_with("root@example.org", PASSWORD).await.unwrap();
}
