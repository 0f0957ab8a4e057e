//! A running identity service, and its clients.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bodega_embedded_postgres::testing::{TempDir, TestDatabase, database};
use bodega_identity::{MIGRATOR, SCHEMA, Settings, create_admin, start};
use bodega_media::Media;
use bodega_proto::identity::v1::{
    ChangePasswordRequest, GetProfileRequest, LoginRequest, RefreshRequest, RegisterRequest, Session,
    UpdateUserRequest, User, identity_service_client::IdentityServiceClient,
    token_service_client::TokenServiceClient,
};
use bodega_runtime::{
    auth::{Caller, Verifier},
    database as db,
    database::Pool,
    rate_limit::RateLimits,
    server::Service,
    status,
    transport::Transport,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery";
/// Directory of the storage inside `media_dir`.
pub(crate) const MEDIA: &str = "media";
pub(crate) const SECRET: &str = "a secret of well over 32 bytes, for the tests";

/// Adds the caller to each request, if there is one.
#[derive(Clone)]
pub(crate) struct ActAs(pub(crate) Option<Caller>);

impl Interceptor for ActAs {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(caller) = &self.0 {
            request.extensions_mut().insert(caller.clone());
        }
        Ok(request)
    }
}

pub(crate) type Client = IdentityServiceClient<InterceptedService<Transport, ActAs>>;

/// A replica of the service on the test's own database.
pub(crate) struct TestApp {
    pub(crate) database: Arc<TestDatabase>,
    pub(crate) media_dir: Arc<TempDir>,
    pub(crate) db: Pool,
    pub(crate) service: Service,
    pub(crate) verifier: Verifier,
    pub(crate) shutdown: CancellationToken,
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new(SECRET.parse().unwrap());
    // The tests share few cores: no login may be rejected for load, except in the tests of the limit.
    settings.hash_wait = Duration::from_secs(60);
    // And none for rate limits, except in their tests.
    settings.rate_limits = RateLimits::Off;
    settings
}

pub(crate) async fn migrated() -> TestDatabase {
    database("identity", |url| async move { db::migrate(&url.parse()?, SCHEMA, &MIGRATOR).await }).await
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(settings()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let media_dir = TempDir::new("media").unwrap().into();
        Self::start_on(migrated().await.into(), media_dir, settings).await
    }

    /// Starts another replica on the same database.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_with(settings()).await
    }

    /// Starts another replica on the same database with other settings.
    pub(crate) async fn replica_with(&self, settings: Settings) -> Self {
        Self::start_on(self.database.clone(), self.media_dir.clone(), settings).await
    }

    pub(crate) async fn start_on(
        database: Arc<TestDatabase>,
        media_dir: Arc<TempDir>,
        settings: Settings,
    ) -> Self {
        let pool = db::pool(database.url().parse().unwrap(), 5, "identity");
        Self::start_with_pool(database, media_dir, pool, settings).await
    }

    pub(crate) async fn start_with_pool(
        database: Arc<TestDatabase>,
        media_dir: Arc<TempDir>,
        db: Pool,
        settings: Settings,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let media = Media::local(&media_dir.path().join(MEDIA));
        let service = start(db.clone(), settings, media, shutdown.clone()).await.unwrap();
        let verifier = Verifier::new(Transport::unauthenticated(service.routes()));
        Self { database, media_dir, db, service, verifier, shutdown }
    }

    fn client(&self, caller: Option<Caller>) -> Client {
        // Streaming has no deadline, which a loaded machine would exceed.
        let transport = Transport::unauthenticated(self.service.routes()).streaming();
        IdentityServiceClient::with_interceptor(transport, ActAs(caller))
    }

    /// Returns a client without an access token.
    pub(crate) fn anonymous(&self) -> Client {
        self.client(None)
    }

    /// Returns a client with an access token.
    pub(crate) async fn bearer(&self, access_token: &str) -> Client {
        self.client(Some(self.verifier.verify(access_token).await.unwrap()))
    }

    pub(crate) fn tokens(&self) -> TokenServiceClient<Transport> {
        TokenServiceClient::new(Transport::unauthenticated(self.service.routes()).streaming())
    }

    /// Returns the id of a session.
    pub(crate) async fn session_id(&self, session: &Session) -> String {
        self.verifier.verify(&session.access_token).await.unwrap().session_id.to_string()
    }

    /// Registers a user with this name and username, and an email made of it.
    pub(crate) async fn register(&self, name: &str) -> Session {
        self.anonymous().register(registration(name)).await.unwrap().into_inner().session.unwrap()
    }

    pub(crate) async fn login(&self, login: &str) -> Result<Session, Status> {
        self.login_with(login, PASSWORD).await
    }

    pub(crate) async fn login_with(&self, login: &str, password: &str) -> Result<Session, Status> {
        let request =
            LoginRequest { login: login.into(), password: password.into(), user_agent: "test/1".into() };
        Ok(self.anonymous().login(request).await?.into_inner().session.unwrap())
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Session, Status> {
        let request = RefreshRequest { refresh_token: refresh_token.into() };
        Ok(self.anonymous().refresh(request).await?.into_inner().session.unwrap())
    }

    /// Creates an admin as the command line does, and logs in.
    pub(crate) async fn admin(&self, name: &str) -> Session {
        let email = format!("{name}@example.org");
        create_admin(&self.db, &settings(), name, &email, PASSWORD).await.unwrap();
        self.login(&email).await.unwrap()
    }

    pub(crate) async fn profile(&self, session: &Session) -> Result<User, Status> {
        let mut client = self.bearer(&session.access_token).await;
        Ok(client.get_profile(GetProfileRequest {}).await?.into_inner().user.unwrap())
    }

    pub(crate) async fn update_user(
        &self,
        admin: &Session,
        request: UpdateUserRequest,
    ) -> Result<(User, Vec<String>), Status> {
        let response = self.bearer(&admin.access_token).await.update_user(request).await?.into_inner();
        Ok((response.user.unwrap(), response.ended_session_ids))
    }

    pub(crate) async fn change_password(&self, session: &Session, new: &str) -> Result<Vec<String>, Status> {
        let request = ChangePasswordRequest { current_password: PASSWORD.into(), new_password: new.into() };
        let mut client = self.bearer(&session.access_token).await;
        Ok(client.change_password(request).await?.into_inner().ended_session_ids)
    }

    pub(crate) async fn active_sessions(&self, user: &User) -> i64 {
        sqlx::query_scalar("select count(*) from identity.sessions where user_id = $1 and ended_at is null")
            .bind(id_of(user))
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    /// Returns the actions of the audit events about a user, in their order.
    pub(crate) async fn audited(&self, user: &User) -> Vec<String> {
        sqlx::query_scalar("select action from identity.audit_entries where subject_id = $1 order by id")
            .bind(&user.id)
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    pub(crate) async fn password_hash(&self, user: &User) -> Option<String> {
        sqlx::query_scalar("select password_hash from identity.users where id = $1")
            .bind(id_of(user))
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    pub(crate) async fn set_password_hash(&self, user: &User, hash: &str) {
        sqlx::query("update identity.users set password_hash = $2 where id = $1")
            .bind(id_of(user))
            .bind(hash)
            .execute(&self.db)
            .await
            .unwrap();
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn registration(name: &str) -> RegisterRequest {
    RegisterRequest {
        name: name.into(),
        email: format!("{name}@example.org"),
        username: name.into(),
        password: PASSWORD.into(),
        user_agent: "test/1".into(),
    }
}

pub(crate) fn user(session: &Session) -> &User {
    session.user.as_ref().unwrap()
}

pub(crate) fn id_of(user: &User) -> Uuid {
    user.id.parse().unwrap()
}

/// Returns the code and reason of a rejection.
pub(crate) fn rejection<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), status::reason(&status))
}

/// Returns the fields that a rejection names.
pub(crate) fn fields<T: std::fmt::Debug>(result: Result<T, Status>) -> Vec<String> {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

pub(crate) fn session_ended() -> (Code, String) {
    (Code::Unauthenticated, "session_ended".into())
}

pub(crate) fn invalid_credentials() -> (Code, String) {
    (Code::Unauthenticated, "invalid_credentials".into())
}

pub(crate) fn invalid_refresh_token() -> (Code, String) {
    (Code::Unauthenticated, "invalid_refresh_token".into())
}
