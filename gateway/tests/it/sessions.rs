//! Registration, login, refresh, logout and sessions.

use bodega_proto::{
    cart::v1::{MergeGuestCartRequest, MergeGuestCartResponse},
    identity::v1::{
        CompleteLoginRequest, CompleteLoginResponse, EndSessionRequest, EndSessionResponse,
        ListSessionsRequest, ListSessionsResponse, LoginRequest, LoginResponse, LogoutAllRequest,
        LogoutAllResponse, RefreshRequest, RefreshResponse, RegisterRequest, RegisterResponse, Role, Session,
        SessionInfo, User, VerifySecondFactorRequest, VerifySecondFactorResponse,
    },
};
use bodega_runtime::status;
use http::Method;
use serde_json::json;
use tonic::Code;
use uuid::Uuid;

use crate::test_app::{SendRequest as _, TestApp, unreachable_service};

fn session() -> Session {
    let user = User {
        id: "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10".to_owned(),
        name: "Ada".to_owned(),
        email: "ada@example.com".to_owned(),
        role: Role::User.into(),
        created_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        updated_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 500_000_000 }),
        ..User::default()
    };
    Session {
        user: Some(user),
        access_token: "access".to_owned(),
        expires_in: 900,
        refresh_token: "refresh".to_owned(),
    }
}

fn session_json() -> serde_json::Value {
    json!({
        "user": {
            "id": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "name": "Ada", "username": null,
            "email": "ada@example.com", "emailVerified": false, "role": "user",
            "avatarUrl": null, "avatarThumbnailUrl": null,
            "createdAt": "2023-11-14T22:13:20Z", "updatedAt": "2023-11-14T22:13:20.5Z"
        },
        "token": "access", "tokenType": "Bearer", "expiresIn": 900, "refreshToken": "refresh"
    })
}

fn accept_login(gateway: &TestApp) -> crate::fake_service::Calls<LoginRequest> {
    gateway.identity.service.on("Login", |_: LoginRequest| Ok(LoginResponse { session: Some(session()) }))
}

#[tokio::test]
async fn registration_starts_a_session() {
    let gateway = TestApp::start().await;
    let calls = gateway
        .identity
        .service
        .on("Register", |_: RegisterRequest| Ok(RegisterResponse { session: Some(session()) }));
    let body = json!({"name": "Ada", "email": "ada@example.com", "password": "correct horse"});
    let agent = "browser ".repeat(50);
    let response = gateway.post("/api/auth/register", body).header("user-agent", &agent).fetch().await;
    assert_eq!((response.status, response.json()), (201, session_json()));
    let request = calls.last();
    assert_eq!((request.name.as_str(), request.username.as_str()), ("Ada", ""));
    assert_eq!(request.user_agent, agent[..200], "truncated to 200 characters");
}

#[tokio::test]
async fn returns_409_naming_the_email_that_is_taken() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("Register", |_: RegisterRequest| -> Result<RegisterResponse, _> {
        let message = "is taken".to_owned();
        Err(status::rejected_field(Code::AlreadyExists, "email_taken", "email", message))
    });
    let body = json!({"name": "Ada", "email": "ada@example.com", "password": "correct horse"});
    let response = gateway.post("/api/auth/register", body).fetch().await;
    assert_eq!(response.rejected_field(409, "email_taken"), "email");
}

#[tokio::test]
async fn accepts_email_username_or_login() {
    let gateway = TestApp::start().await;
    let calls = accept_login(&gateway);
    for field in ["email", "username", "login"] {
        let response =
            gateway.post("/api/auth/login", json!({field: "ada", "password": "secret"})).fetch().await;
        assert_eq!((response.status, response.json()), (200, session_json()));
        assert_eq!((calls.last().login.as_str(), calls.last().password.as_str()), ("ada", "secret"));
    }
}

#[tokio::test]
async fn returns_401_for_a_rejected_login() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("Login", |_: LoginRequest| -> Result<LoginResponse, _> {
        Err(status::rejected(Code::Unauthenticated, "invalid_credentials", "no such account or password"))
    });
    let response = gateway.post("/api/auth/login", json!({"email": "a", "password": "b"})).fetch().await;
    response.problem(401, "invalid_credentials");
    assert_eq!(response.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn login_and_registration_merge_the_guest_cart() {
    let gateway = TestApp::start().await;
    accept_login(&gateway);
    let merged = gateway.cart.on("MergeGuestCart", |_: MergeGuestCartRequest| Ok(MergeGuestCartResponse {}));
    let login = || gateway.post("/api/auth/login", json!({"email": "a", "password": "b"}));
    login().fetch().await;
    assert_eq!(merged.count(), 0, "there was no guest cart");

    // The access token of another user is ignored: the cart goes to the user of the login.
    let login = login().header("x-cart-token", "guest").bearer_auth(gateway.identity.user());
    assert_eq!(login.fetch().await.status, 200);
    assert_eq!(merged.last().guest_token, "guest");
    assert_eq!(gateway.cart.metadata("MergeGuestCart")["authorization"], "Bearer access");
}

#[tokio::test]
async fn login_succeeds_while_cart_is_unavailable() {
    let gateway = TestApp::start_with(|_, upstreams| upstreams.cart = unreachable_service("cart")).await;
    accept_login(&gateway);
    let login = gateway.post("/api/auth/login", json!({"email": "a", "password": "b"}));
    assert_eq!(login.header("x-cart-token", "guest").fetch().await.status, 200);
}

#[tokio::test]
async fn refresh_ignores_missing_and_expired_access_tokens() {
    let gateway = TestApp::start().await;
    let calls = gateway
        .identity
        .service
        .on("Refresh", |_: RefreshRequest| Ok(RefreshResponse { session: Some(session()) }));
    let stale = gateway.identity.token(|claims| claims.exp = claims.iat - 60);
    for (field, token) in [("refreshToken", None), ("refresh_token", Some(stale))] {
        let mut request = gateway.post("/api/auth/refresh", json!({field: "old"}));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.fetch().await;
        assert_eq!((response.status, response.json()), (200, session_json()));
        assert_eq!(calls.last().refresh_token, "old");
        assert!(!gateway.identity.service.metadata("Refresh").contains_key("authorization"));
    }
}

#[tokio::test]
async fn logout_all_ends_every_session() {
    let gateway = TestApp::start().await;
    let (this, other) = (Uuid::now_v7(), Uuid::now_v7());
    gateway.identity.service.on("LogoutAll", move |_: LogoutAllRequest| {
        Ok(LogoutAllResponse { ended_session_ids: vec![this.to_string(), other.to_string()] })
    });
    let token = |session| gateway.identity.token(|claims| claims.sid = session);
    let request = gateway.request(Method::POST, "/api/auth/logout-all").bearer_auth(token(this));
    assert_eq!(request.fetch().await.status, 204);
    for session in [this, other] {
        let request = gateway.get("/api/auth/sessions").bearer_auth(token(session));
        request.fetch().await.problem(401, "session_ended");
    }
}

#[tokio::test]
async fn lists_and_ends_sessions() {
    let gateway = TestApp::start().await;
    let session = Uuid::now_v7();
    let at = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 });
    gateway.identity.service.on("ListSessions", move |_: ListSessionsRequest| {
        let info = SessionInfo {
            id: session.to_string(),
            user_agent: "curl".to_owned(),
            created_at: at,
            last_used_at: at,
            current: true,
        };
        Ok(ListSessionsResponse { sessions: vec![info] })
    });
    let response = gateway.get("/api/auth/sessions").bearer_auth(gateway.identity.user()).fetch().await;
    let expected = json!({"items": [{
        "id": session.to_string(), "userAgent": "curl", "current": true,
        "createdAt": "2023-11-14T22:13:20Z", "lastUsedAt": "2023-11-14T22:13:20Z"
    }]});
    assert_eq!((response.status, response.json()), (200, expected));

    let calls = gateway.identity.service.on("EndSession", move |_: EndSessionRequest| {
        Ok(EndSessionResponse { ended_session_ids: vec![session.to_string()] })
    });
    let path = format!("/api/auth/sessions/{session}");
    let request = gateway.request(Method::DELETE, &path).bearer_auth(gateway.identity.user());
    assert_eq!(request.fetch().await.status, 204);
    assert_eq!(calls.last().session_id, session.to_string());
    let token = gateway.identity.token(|claims| claims.sid = session);
    gateway.get("/api/auth/sessions").bearer_auth(token).fetch().await.problem(401, "session_ended");
}

#[tokio::test]
async fn a_login_with_a_second_factor_has_two_steps() {
    let gateway = TestApp::start().await;
    gateway.identity.service.on("Login", |_: LoginRequest| -> Result<LoginResponse, _> {
        let metadata =
            [("token".to_owned(), "challenge".to_owned()), ("expires_in".to_owned(), "300".to_owned())];
        Err(status::rejected_with(Code::Unauthenticated, "second_factor_required", "enter a code", metadata))
    });
    let login = gateway.post("/api/auth/login", json!({"login": "ada", "password": "secret"})).fetch().await;
    let problem = login.problem(401, "second_factor_required");
    assert_eq!(problem["secondFactor"], json!({"token": "challenge", "expiresIn": 300}));

    let completed = gateway.identity.service.on("CompleteLogin", |_: CompleteLoginRequest| {
        Ok(CompleteLoginResponse { session: Some(session()) })
    });
    let merged = gateway.cart.on("MergeGuestCart", |_: MergeGuestCartRequest| Ok(MergeGuestCartResponse {}));
    let step = gateway.post("/api/auth/2fa", json!({"token": "challenge", "code": "123456"}));
    let response = step.header("x-cart-token", "guest").fetch().await;
    assert_eq!((response.status, response.json()), (200, session_json()));
    assert_eq!((completed.last().token.as_str(), completed.last().code.as_str()), ("challenge", "123456"));
    assert_eq!(merged.last().guest_token, "guest");

    let without = gateway.post("/api/auth/2fa", json!({"code": "123456"}));
    without.fetch().await.problem(401, "unauthenticated");
    gateway.identity.service.on("VerifySecondFactor", |_: VerifySecondFactorRequest| {
        Ok(VerifySecondFactorResponse { session: Some(session()) })
    });
    let again =
        gateway.post("/api/auth/2fa", json!({"code": "123456"})).bearer_auth(gateway.identity.admin());
    assert_eq!(again.fetch().await.status, 200);
}
