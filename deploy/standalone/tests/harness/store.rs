//! A running store, on a port and a database of its own.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bodega::{
    provision::{self, Logins, Passwords},
    store::{Options, Store},
    verify,
};
use bodega_audit::AuditArgs;
use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use bodega_media::Media;
use bodega_order::{OrderMail, PaymentProviders};
use bodega_runtime::{database::Pool, health::Health, rate_limit::RateLimits};
use clap::Parser;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::harness::client::{Client, Response, retry_while_unavailable};

/// The password of all users.
pub(crate) const PASSWORD: &str = "a mug of tea at four";
/// The admin of every store.
pub(crate) const ADMIN_EMAIL: &str = "admin@shop.example";
/// Encrypts the signing keys.
pub(crate) const JWT_SECRET_KEY: &str = "a secret of the tests, long enough";

/// The directory of the images.
const MEDIA_DIR: &str = "media";

/// Maximum time to wait for background work.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Options of a test store.
pub(crate) struct StoreOptions {
    /// Maximum database connections of each service.
    pub(crate) connections: u32,
    pub(crate) identity: bodega_identity::Settings,
    /// Command line arguments of the gateway.
    pub(crate) gateway: &'static [&'static str],
    pub(crate) payments: PaymentProviders,
    pub(crate) mail: OrderMail,
}

/// Long enough for 200 concurrent clients while other tests run.
const LONG_TIMEOUTS: &[&str] = &["--request-timeout", "60", "--max-requests", "1000"];

impl Default for StoreOptions {
    /// Small pools, long timeouts, and no payment provider.
    fn default() -> Self {
        let (identity, payments) = (identity_settings(), PaymentProviders::offline());
        Self { connections: 3, identity, gateway: LONG_TIMEOUTS, payments, mail: OrderMail::default() }
    }
}

/// A running store; stopped when dropped.
pub(crate) struct TestStore {
    owner: PgConnectOptions,
    images: TempDir,
    guest: Client,
    admin: Client,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl TestStore {
    /// Starts a store without products.
    pub(crate) async fn start() -> Self {
        Self::start_with_options(StoreOptions::default()).await
    }

    /// Starts a store with this many database connections per service.
    pub(crate) async fn start_with_connections(connections: u32) -> Self {
        Self::start_with_options(StoreOptions { connections, ..StoreOptions::default() }).await
    }

    /// Starts a store that hashes one password at a time, with this maximum wait.
    pub(crate) async fn start_with_hash_wait(hash_wait: Duration) -> Self {
        let identity =
            bodega_identity::Settings { max_concurrent_hashes: 1, hash_wait, ..identity_settings() };
        Self::start_with_options(StoreOptions { identity, ..StoreOptions::default() }).await
    }

    /// Starts a store with rate limits.
    pub(crate) async fn start_with_rate_limits() -> Self {
        let identity = bodega_identity::Settings { rate_limits: RateLimits::On, ..identity_settings() };
        Self::start_with_options(StoreOptions { identity, ..StoreOptions::default() }).await
    }

    /// Starts a store with the default timeouts.
    pub(crate) async fn start_with_default_timeouts() -> Self {
        let settings = bodega_identity::Settings::new(JWT_SECRET_KEY.parse().unwrap());
        let identity = bodega_identity::Settings { rate_limits: RateLimits::Off, ..settings };
        Self::start_with_options(StoreOptions {
            connections: 10,
            identity,
            gateway: &[],
            ..StoreOptions::default()
        })
        .await
    }

    /// Starts a store with these options.
    pub(crate) async fn start_with_options(options: StoreOptions) -> Self {
        Self::start_on(database().await.url().parse().unwrap(), options).await
    }

    /// Starts a store on a database that was [prepared](prepare).
    pub(crate) async fn start_on(owner: PgConnectOptions, options: StoreOptions) -> Self {
        let StoreOptions { connections, identity, gateway, payments, mail } = options;
        let identity = bodega_identity::Settings { mail: mail.mailer.clone(), ..identity };
        let images = TempDir::new("images").unwrap();
        let media_dir = images.path().join(MEDIA_DIR);
        let options = Options {
            logins: Logins::separate(&Logins::shared(&owner), &passwords()),
            connections,
            behind_pooler: false,
            identity,
            gateway: gateway_settings(gateway, &media_dir),
            order: bodega_order::Settings { payments, max_pending_orders: None },
            mail,
            media: Media::local(&media_dir),
            health: Health::default(),
            nats: None,
            audit: AuditArgs::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = Store::start(options, listener).await.unwrap();
        let guest = Client::at(&format!("http://{}", store.address()));
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(store.run_until(shutdown.clone().cancelled_owned()));
        let admin = guest.sign_in(ADMIN_EMAIL).await;
        Self { owner, images, guest, admin, shutdown, served }
    }

    /// The directory of the images.
    pub(crate) fn image_dir(&self) -> PathBuf {
        self.images.path().join(MEDIA_DIR)
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        self.guest.url(path)
    }

    /// An anonymous client.
    pub(crate) fn guest(&self) -> &Client {
        &self.guest
    }

    /// The admin, signed in.
    pub(crate) fn admin(&self) -> &Client {
        &self.admin
    }

    /// Registers `<name>@shop.example`; returns the signed-in client.
    pub(crate) async fn register(&self, name: &str) -> Client {
        let body = json!({"name": name, "email": email_of(name), "username": name, "password": PASSWORD});
        let session = self.guest.post("/api/auth/register", body).await.expect(201).json;
        self.guest.clone().signed_in(session)
    }

    /// A connection pool of the database's owner.
    pub(crate) async fn sql(&self) -> PgPool {
        PgPool::connect_with(self.owner.clone()).await.unwrap()
    }

    /// A connection as this role.
    pub(crate) async fn sql_as(&self, role: &str) -> PgConnection {
        PgConnection::connect_with(&self.owner.clone().username(role)).await.unwrap()
    }

    /// Connection options of the database's owner.
    pub(crate) fn owner(&self) -> PgConnectOptions {
        self.owner.clone()
    }

    /// Asserts that all checks of `bodega verify` pass.
    pub(crate) async fn verify(&self) {
        verify(&self.owner).await;
    }

    /// Stops the store and waits.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The email that [`TestStore::register`] uses for a name.
pub(crate) fn email_of(name: &str) -> String {
    format!("{name}@shop.example")
}

/// A migrated database with an admin and the services' roles.
pub(crate) async fn database() -> TestDatabase {
    testing::database("shop", |url| async move { prepare(&url).await }).await
}

/// Asserts that all checks of `bodega verify` pass.
pub(crate) async fn verify(owner: &PgConnectOptions) {
    let report = verify::run(&Logins::shared(owner)).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

/// Prepares the template that every test database is copied from.
pub(crate) async fn prepare(url: &str) -> anyhow::Result<()> {
    let owner: PgConnectOptions = url.parse()?;
    let owners = Logins::shared(&owner);
    provision::migrate(&owners).await?;
    provision::roles(&owners, &passwords()).await?;
    let db = Pool::new(owner, 1, Duration::from_secs(30));
    bodega_identity::create_admin(&db, &identity_settings(), "Admin", ADMIN_EMAIL, PASSWORD).await?;
    db.close().await;
    Ok(())
}

/// The test server does not check passwords, but roles must have one.
pub(crate) fn passwords() -> Passwords {
    let password = || "of a test".to_owned();
    Passwords { identity: password(), catalog: password(), cart: password(), order: password() }
}

/// The defaults with a long `hash_wait` and without rate limits, so that no registration is rejected.
fn identity_settings() -> bodega_identity::Settings {
    let settings = bodega_identity::Settings::new(JWT_SECRET_KEY.parse().unwrap());
    bodega_identity::Settings { hash_wait: TIMEOUT, rate_limits: RateLimits::Off, ..settings }
}

/// The defaults, with these arguments and this directory for images.
fn gateway_settings(arguments: &[&'static str], media_dir: &Path) -> bodega_gateway::Settings {
    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        settings: bodega_gateway::Settings,
    }
    let settings = Defaults::parse_from(["test"].iter().chain(arguments)).settings;
    bodega_gateway::Settings { media_dir: Some(media_dir.to_owned()), ..settings }
}
