//! Second factors: enrollment, login in two steps, removal, and the repeated check of admins.

mod codes;

use bodega_identity::{Settings, remove_second_factor};
use bodega_proto::identity::v1::{
    CompleteLoginRequest, ConfirmSecondFactorRequest, ConfirmSecondFactorResponse, CreateApiKeyRequest,
    DeleteUserRequest, DisableSecondFactorRequest, EnrollSecondFactorRequest, GetSecondFactorRequest,
    ListUsersRequest, Role, Session, UpdateProfileRequest, UpdateUserRequest, VerifySecondFactorRequest,
};
use bodega_runtime::status;
use tonic::{Code, Status};

use crate::{
    test_app::{
        PASSWORD, SECRET, TestApp, fields, id_of, invalid_refresh_token, rejection, session_ended, settings,
        user,
    },
    totp::Authenticator,
};

fn invalid_code() -> (Code, String) {
    (Code::InvalidArgument, "invalid_code".into())
}

fn second_factor_required() -> (Code, String) {
    (Code::PermissionDenied, "second_factor_required".into())
}

async fn enroll(app: &TestApp, session: &Session) -> Authenticator {
    let request = EnrollSecondFactorRequest { current_password: PASSWORD.into() };
    let mut client = app.bearer(&session.access_token).await;
    let enrolled = client.enroll_second_factor(request).await.unwrap().into_inner();
    assert!(enrolled.url.contains(&enrolled.secret), "{}", enrolled.url);
    Authenticator::new(&enrolled.secret)
}

async fn confirm(
    app: &TestApp,
    session: &Session,
    code: &str,
) -> Result<ConfirmSecondFactorResponse, Status> {
    let request = ConfirmSecondFactorRequest { code: code.into(), user_agent: "test/1".into() };
    Ok(app.bearer(&session.access_token).await.confirm_second_factor(request).await?.into_inner())
}

/// Enables a second factor with the first code. Returns the new session and the recovery codes.
async fn enable(app: &TestApp, session: &Session) -> (Authenticator, Session, Vec<String>) {
    let authenticator = enroll(app, session).await;
    let confirmed = confirm(app, session, &authenticator.code(0)).await.unwrap();
    (authenticator, confirmed.session.unwrap(), confirmed.recovery_codes)
}

/// Logs in with the password, and returns the token for the second step.
async fn challenge(app: &TestApp, login: &str) -> String {
    let status = app.login(login).await.unwrap_err();
    assert_eq!(
        (status.code(), status::reason(&status).as_str()),
        (Code::Unauthenticated, "second_factor_required")
    );
    assert_eq!(status::metadata(&status, "expires_in").unwrap(), "300");
    status::metadata(&status, "token").unwrap()
}

async fn complete(app: &TestApp, token: &str, code: &str) -> Result<Session, Status> {
    let request = CompleteLoginRequest { token: token.into(), code: code.into() };
    Ok(app.anonymous().complete_login(request).await?.into_inner().session.unwrap())
}

async fn verify(app: &TestApp, session: &Session, code: &str) -> Result<Session, Status> {
    let request = VerifySecondFactorRequest { code: code.into() };
    let mut client = app.bearer(&session.access_token).await;
    Ok(client.verify_second_factor(request).await?.into_inner().session.unwrap())
}

async fn age_second_factors(app: &TestApp) {
    let age = "update identity.sessions set second_factor_at = second_factor_at - interval '16 minutes'";
    sqlx::query(age).execute(&app.db).await.unwrap();
}

#[tokio::test]
async fn a_login_requires_a_code_from_the_confirmation_on() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let authenticator = enroll(&app, &session).await;
    app.login("ada").await.unwrap();
    assert_eq!(rejection(confirm(&app, &session, "000000").await), invalid_code());
    app.login("ada").await.unwrap();

    confirm(&app, &session, &authenticator.code(0)).await.unwrap();
    let token = challenge(&app, "ada").await;
    assert_eq!(fields(complete(&app, &token, "12345").await), ["code"]);
    let completed = complete(&app, &token, &authenticator.code(1)).await.unwrap();
    assert_eq!(user(&completed).username, "ada");
    app.profile(&completed).await.unwrap();
    let refreshed = app.refresh(&completed.refresh_token).await.unwrap();
    app.profile(&refreshed).await.unwrap();
}

#[tokio::test]
async fn users_see_whether_it_is_enabled_and_how_many_recovery_codes_are_left() {
    let app = TestApp::start().await;
    let state = async |session: &Session| {
        let mut client = app.bearer(&session.access_token).await;
        let state = client.get_second_factor(GetSecondFactorRequest {}).await.unwrap().into_inner();
        (state.enabled, state.recovery_codes_left)
    };
    let (session, other) = (app.register("ada").await, app.register("eve").await);
    assert_eq!(state(&session).await, (false, 0));
    enroll(&app, &session).await;
    assert_eq!(state(&session).await, (false, 0), "not confirmed");
    let (_, session, codes) = enable(&app, &session).await;
    assert_eq!(state(&session).await, (true, 10));
    verify(&app, &session, &codes[0]).await.unwrap();
    assert_eq!(state(&session).await, (true, 9));
    assert_eq!(state(&other).await, (false, 0));

    let mut ended = app.bearer(&session.access_token).await;
    remove_second_factor(&app.db, "ada").await.unwrap();
    assert_eq!(rejection(ended.get_second_factor(GetSecondFactorRequest {}).await), session_ended());
    assert_eq!(state(&app.login("ada").await.unwrap()).await, (false, 0));
}

#[tokio::test]
async fn the_command_line_removes_a_lost_second_factor() {
    let app = TestApp::start().await;
    let (authenticator, session, codes) = enable(&app, &app.admin("grace").await).await;
    let token = challenge(&app, "grace@example.org").await;
    assert_eq!(remove_second_factor(&app.db, " Grace@example.org").await.unwrap(), id_of(user(&session)));
    assert_eq!(rejection(app.profile(&session).await), session_ended());
    assert_eq!(rejection(app.refresh(&session.refresh_token).await), invalid_refresh_token());
    let invalid_token = (Code::Unauthenticated, "invalid_second_factor_token".to_owned());
    assert_eq!(rejection(complete(&app, &token, &codes[0]).await), invalid_token);
    let session = app.login("grace@example.org").await.unwrap();
    let removed = app.audited(user(&session)).await;
    assert_eq!(removed, ["admin.created", "second_factor.enabled", "second_factor.disabled"]);
    let actor = "select actor_kind from identity.audit_events where action = 'second_factor.disabled'";
    let actor: String = sqlx::query_scalar(actor).fetch_one(&app.db).await.unwrap();
    assert_eq!(actor, "system");

    let (other, ..) = enable(&app, &session).await;
    assert_ne!(other.secret, authenticator.secret);
    remove_second_factor(&app.db, "grace@example.org").await.unwrap();
    let error = remove_second_factor(&app.db, "grace@example.org").await.unwrap_err();
    assert_eq!(error.to_string(), "the user has no second factor");
    let error = remove_second_factor(&app.db, "nobody").await.unwrap_err();
    assert_eq!(error.to_string(), "no user has this email or username");
}

#[tokio::test]
async fn the_secret_is_encrypted_in_the_database() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let request = EnrollSecondFactorRequest { current_password: PASSWORD.into() };
    let enrolled =
        app.bearer(&session.access_token).await.enroll_second_factor(request).await.unwrap().into_inner();
    let secret = Authenticator::new(&enrolled.secret);
    let stored: Vec<u8> = sqlx::query_scalar("select encrypted_secret from identity.second_factors")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_eq!(stored.len(), 12 + 20 + 16, "nonce, secret, tag");
    assert!(!stored.windows(20).any(|window| window == secret.secret));
}

#[tokio::test]
async fn the_secret_of_the_installation_is_replaced() {
    const NEW: &str = "another secret of well over 32 bytes, for the tests";
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let (authenticator, ..) = enable(&app, &session).await;
    let with = |secondary: Option<&str>| Settings {
        jwt_secret: NEW.parse().unwrap(),
        secondary_jwt_secret: secondary.map(|secret| secret.parse().unwrap()),
        ..settings()
    };
    app.replica_with(with(Some(SECRET))).await;
    let replaced = app.replica_with(with(None)).await;
    let token = challenge(&replaced, "ada").await;
    complete(&replaced, &token, &authenticator.code(1)).await.unwrap();
}

#[tokio::test]
async fn enrollment_requires_the_password() {
    let app = TestApp::start().await;
    let session = app.register("ada").await;
    let mut client = app.bearer(&session.access_token).await;
    let request = EnrollSecondFactorRequest { current_password: "not the password".into() };
    assert_eq!(fields(client.enroll_second_factor(request).await), ["current_password"]);
    let not_enabled = (Code::FailedPrecondition, "second_factor_not_enabled".to_owned());
    assert_eq!(rejection(confirm(&app, &session, "123456").await), not_enabled);
    assert_eq!(rejection(verify(&app, &session, "123456").await), not_enabled);

    let (_, session, _) = enable(&app, &session).await;
    let mut client = app.bearer(&session.access_token).await;
    let request = EnrollSecondFactorRequest { current_password: PASSWORD.into() };
    let enabled = (Code::FailedPrecondition, "second_factor_enabled".to_owned());
    assert_eq!(
        rejection(client.enroll_second_factor(request).await),
        enabled,
        "the secret cannot be replaced"
    );
}

#[tokio::test]
async fn another_email_needs_the_password() {
    let app = TestApp::start().await;
    let (_, session, _) = enable(&app, &app.register("ada").await).await;
    let change = |password: Option<&str>| UpdateProfileRequest {
        email: Some("countess@example.org".into()),
        current_password: password.map(Into::into),
        ..UpdateProfileRequest::default()
    };
    let mut client = app.bearer(&session.access_token).await;
    assert_eq!(fields(client.update_profile(change(None)).await), ["current_password"]);
    client.update_profile(change(Some(PASSWORD))).await.unwrap();
}

#[tokio::test]
async fn confirming_and_disabling_replace_all_sessions() {
    let app = TestApp::start().await;
    let (one, other) = (app.register("ada").await, app.login("ada").await.unwrap());
    let (authenticator, session, _) = enable(&app, &one).await;
    for ended in [&one, &other] {
        assert_eq!(rejection(app.profile(ended).await), session_ended());
        assert_eq!(rejection(app.refresh(&ended.refresh_token).await), invalid_refresh_token());
    }
    app.profile(&session).await.unwrap();

    let disable = |code: String| DisableSecondFactorRequest { code, user_agent: String::new() };
    let mut client = app.bearer(&session.access_token).await;
    let wrong = client.disable_second_factor(disable("000000".into())).await;
    assert_eq!(rejection(wrong), invalid_code());
    let response = client.disable_second_factor(disable(authenticator.code(1))).await.unwrap().into_inner();
    assert_eq!(response.ended_session_ids, [app.session_id(&session).await]);
    app.profile(&response.session.unwrap()).await.unwrap();
    app.login("ada").await.unwrap();
}

#[tokio::test]
async fn admins_enter_a_code_again_before_they_change_users() {
    let app = TestApp::start().await;
    let ada = id_of(user(&app.register("ada").await)).to_string();
    let (_, session, codes) = enable(&app, &app.admin("grace").await).await;
    let promote =
        || UpdateUserRequest { id: ada.clone(), role: Role::Admin.into(), ..UpdateUserRequest::default() };
    app.update_user(&session, promote()).await.unwrap();

    age_second_factors(&app).await;
    let later = app.refresh(&session.refresh_token).await.unwrap();
    assert_eq!(rejection(app.update_user(&later, promote()).await), second_factor_required());
    let mut client = app.bearer(&later.access_token).await;
    let delete = DeleteUserRequest { id: ada.clone() };
    assert_eq!(rejection(client.delete_user(delete).await), second_factor_required());
    let scopes = vec!["orders:read".to_owned()];
    let key = CreateApiKeyRequest { name: "warehouse".into(), scopes, expires_in_days: 1 };
    assert_eq!(rejection(client.create_api_key(key.clone()).await), second_factor_required());
    app.bearer(&later.access_token).await.list_users(ListUsersRequest::default()).await.unwrap();
    assert_eq!(rejection(verify(&app, &later, "000000").await), invalid_code());
    let verified = verify(&app, &later, &codes[0]).await.unwrap();
    assert_eq!(app.session_id(&verified).await, app.session_id(&session).await);
    app.update_user(&verified, promote()).await.unwrap();
    app.bearer(&verified.access_token).await.create_api_key(key).await.unwrap();
    // Both refresh tokens are of the same generation: a client that has lost the response goes on with its own.
    app.refresh(&later.refresh_token).await.unwrap();
}

#[tokio::test]
async fn admins_need_a_second_factor_if_it_is_required() {
    let required = Settings { require_admin_second_factor: true, ..settings() };
    let app = TestApp::start_with(required).await;
    let session = app.admin("grace").await;
    assert_eq!(user(&session).role, i32::from(Role::Admin));
    let list = async |session: &Session| {
        app.bearer(&session.access_token).await.list_users(ListUsersRequest::default()).await
    };
    assert_eq!(rejection(list(&session).await), second_factor_required());
    app.profile(&session).await.unwrap();
    let (_, session, _) = enable(&app, &session).await;
    list(&session).await.unwrap();
    list(&app.refresh(&session.refresh_token).await.unwrap()).await.unwrap();
    let ada = app.register("ada").await;
    assert_eq!(rejection(list(&ada).await), (Code::PermissionDenied, "admin_only".into()));
}
