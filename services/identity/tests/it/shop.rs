//! A running identity service, and the people who use it.

use std::{sync::Arc, time::Duration};

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
    server::Service,
    status,
    transport::Transport,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery";
/// The directory of the storage, in that of the pictures.
pub(crate) const MEDIA: &str = "media";
pub(crate) const SECRET: &str = "a secret of well over 32 bytes, for the tests";

/// Acts as somebody, or as nobody.
#[derive(Clone)]
pub(crate) struct As(Option<Caller>);

impl Interceptor for As {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(caller) = &self.0 {
            request.extensions_mut().insert(caller.clone());
        }
        Ok(request)
    }
}

pub(crate) type Client = IdentityServiceClient<InterceptedService<Transport, As>>;

/// One replica, on a database of the test's own.
pub(crate) struct Shop {
    pub(crate) database: Arc<TestDatabase>,
    /// Where the pictures are.
    pub(crate) pictures: Arc<TempDir>,
    pub(crate) db: PgPool,
    pub(crate) service: Service,
    pub(crate) verifier: Verifier,
    pub(crate) shutdown: CancellationToken,
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new(SECRET.parse().unwrap());
    // The tests share two cores: nobody is to be sent away but where a test is about that.
    settings.hash_wait = Duration::from_secs(60);
    settings
}

pub(crate) async fn migrated() -> TestDatabase {
    database("identity", |url| async move { db::migrate(&url.parse()?, SCHEMA, &MIGRATOR).await }).await
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(settings()).await
    }

    pub(crate) async fn open_with(settings: Settings) -> Self {
        let pictures = TempDir::new("pictures").unwrap().into();
        Self::on(migrated().await.into(), pictures, settings).await
    }

    /// Another replica on the same database.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_with(settings()).await
    }

    /// Another replica on the same database, told otherwise.
    pub(crate) async fn replica_with(&self, settings: Settings) -> Self {
        Self::on(self.database.clone(), self.pictures.clone(), settings).await
    }

    pub(crate) async fn on(database: Arc<TestDatabase>, pictures: Arc<TempDir>, settings: Settings) -> Self {
        let pool = db::pool(database.url().parse().unwrap(), 5, "identity");
        Self::over(database, pictures, pool, settings).await
    }

    pub(crate) async fn over(
        database: Arc<TestDatabase>,
        pictures: Arc<TempDir>,
        db: PgPool,
        settings: Settings,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let media = Media::local(&pictures.path().join(MEDIA));
        let service = start(db.clone(), settings, media, shutdown.clone()).await.unwrap();
        let verifier = Verifier::new(Transport::unauthenticated(service.routes()));
        Self { database, pictures, db, service, verifier, shutdown }
    }

    fn client(&self, caller: Option<Caller>) -> Client {
        // The tests share two cores: a deadline is not what they are about.
        let transport = Transport::unauthenticated(self.service.routes()).streaming();
        IdentityServiceClient::with_interceptor(transport, As(caller))
    }

    /// Nobody in particular.
    pub(crate) fn anyone(&self) -> Client {
        self.client(None)
    }

    /// Whoever bears the access token.
    pub(crate) async fn bearer(&self, access_token: &str) -> Client {
        self.client(Some(self.verifier.verify(access_token).await.unwrap()))
    }

    pub(crate) fn tokens(&self) -> TokenServiceClient<Transport> {
        TokenServiceClient::new(Transport::unauthenticated(self.service.routes()).streaming())
    }

    /// The session that an access token belongs to.
    pub(crate) async fn session_id(&self, session: &Session) -> String {
        self.verifier.verify(&session.access_token).await.unwrap().session_id.to_string()
    }

    /// Registers somebody called `name`, with that as username and email.
    pub(crate) async fn register(&self, name: &str) -> Session {
        self.anyone().register(registration(name)).await.unwrap().into_inner().session.unwrap()
    }

    pub(crate) async fn login(&self, login: &str) -> Result<Session, Status> {
        self.login_with(login, PASSWORD).await
    }

    pub(crate) async fn login_with(&self, login: &str, password: &str) -> Result<Session, Status> {
        let request =
            LoginRequest { login: login.into(), password: password.into(), user_agent: "test/1".into() };
        Ok(self.anyone().login(request).await?.into_inner().session.unwrap())
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Result<Session, Status> {
        let request = RefreshRequest { refresh_token: refresh_token.into() };
        Ok(self.anyone().refresh(request).await?.into_inner().session.unwrap())
    }

    /// An admin, made as from the command line, and signed in.
    pub(crate) async fn admin(&self, name: &str) -> Session {
        let email = format!("{name}@example.org");
        create_admin(&self.db, &settings(), name, &email, PASSWORD).await.unwrap();
        self.login(&email).await.unwrap()
    }

    /// What the session's owner finds when asking for the profile.
    pub(crate) async fn profile(&self, session: &Session) -> Result<User, Status> {
        let mut client = self.bearer(&session.access_token).await;
        Ok(client.get_profile(GetProfileRequest {}).await?.into_inner().user.unwrap())
    }

    /// Changes standing, in the name of `admin`.
    pub(crate) async fn update_user(
        &self,
        admin: &Session,
        request: UpdateUserRequest,
    ) -> Result<(User, Vec<String>), Status> {
        let answer = self.bearer(&admin.access_token).await.update_user(request).await?.into_inner();
        Ok((answer.user.unwrap(), answer.ended_session_ids))
    }

    pub(crate) async fn change_password(&self, session: &Session, new: &str) -> Result<Vec<String>, Status> {
        let request = ChangePasswordRequest { current_password: PASSWORD.into(), new_password: new.into() };
        let mut client = self.bearer(&session.access_token).await;
        Ok(client.change_password(request).await?.into_inner().ended_session_ids)
    }

    /// How many sessions of the user can still be used.
    pub(crate) async fn live_sessions(&self, user: &User) -> i64 {
        sqlx::query_scalar("select count(*) from identity.sessions where user_id = $1 and ended_at is null")
            .bind(id_of(user))
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    pub(crate) async fn kept_hash(&self, user: &User) -> Option<String> {
        sqlx::query_scalar("select password_hash from identity.users where id = $1")
            .bind(id_of(user))
            .fetch_one(&self.db)
            .await
            .unwrap()
    }

    pub(crate) async fn keep_hash(&self, user: &User, hash: &str) {
        sqlx::query("update identity.users set password_hash = $2 where id = $1")
            .bind(id_of(user))
            .bind(hash)
            .execute(&self.db)
            .await
            .unwrap();
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

/// Code and reason of what must be a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status::reason(&status))
}

/// The fields that a refusal names.
pub(crate) fn fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.unwrap_err();
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
