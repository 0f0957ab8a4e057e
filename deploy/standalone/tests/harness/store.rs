//! A store to test: open on a port of its own, with a database of its own.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bodega::{
    provision::{self, Logins, Passwords},
    store::{Options, Store},
    verify,
};
use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use bodega_media::Media;
use bodega_order::PaymentProviders;
use clap::Parser;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::harness::client::{Person, Response, in_the_end};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "a mug of tea at four";
/// Who runs every shop.
pub(crate) const ADMIN_EMAIL: &str = "admin@shop.example";
/// Seals every shop's signing keys.
pub(crate) const JWT_SECRET_KEY: &str = "a secret of the tests, long enough";

/// Where its pictures are, in a directory of its own.
const MEDIA_DIR: &str = "media";

/// How long a shop has for what it does by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a shop is opened.
pub(crate) struct Plan {
    /// Connections that each service keeps at most.
    pub(crate) connections: u32,
    pub(crate) identity: bodega_identity::Settings,
    /// Arguments of the gateway, as on the command line.
    pub(crate) gateway: &'static [&'static str],
    pub(crate) payments: PaymentProviders,
}

/// Two hundred buyers at once take their time where everything else is tested beside them.
const PATIENT: &[&str] = &["--request-timeout", "60", "--max-requests", "1000"];

impl Default for Plan {
    /// With small pools, with patience, and without a payment provider.
    fn default() -> Self {
        let (identity, payments) = (identity_settings(), PaymentProviders::offline());
        Self { connections: 3, identity, gateway: PATIENT, payments }
    }
}

/// An open store, closed when dropped.
pub(crate) struct Shop {
    owner: PgConnectOptions,
    pictures: TempDir,
    guest: Person,
    admin: Person,
    close: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Shop {
    /// Opens a store with empty shelves, and an admin signed in.
    pub(crate) async fn start() -> Self {
        Self::start_as(Plan::default()).await
    }

    /// Opens a store whose services keep at most this many connections each.
    pub(crate) async fn start_with(connections: u32) -> Self {
        Self::start_as(Plan { connections, ..Plan::default() }).await
    }

    /// Opens a store that hashes one password at a time, for which nobody waits longer than this.
    pub(crate) async fn start_hashing_for(hash_wait: Duration) -> Self {
        let identity =
            bodega_identity::Settings { max_concurrent_hashes: 1, hash_wait, ..identity_settings() };
        Self::start_as(Plan { identity, ..Plan::default() }).await
    }

    /// Opens a store that has only as much patience as one has by default.
    pub(crate) async fn start_in_earnest() -> Self {
        let identity = bodega_identity::Settings::new(JWT_SECRET_KEY.parse().unwrap());
        Self::start_as(Plan { connections: 10, identity, gateway: &[], ..Plan::default() }).await
    }

    /// Opens a store with empty shelves as planned.
    pub(crate) async fn start_as(plan: Plan) -> Self {
        Self::open(database().await.url().parse().unwrap(), plan).await
    }

    /// Opens a store on a database that was [prepared](prepare), and takes a place for its pictures.
    pub(crate) async fn open(owner: PgConnectOptions, plan: Plan) -> Self {
        let Plan { connections, identity, gateway, payments } = plan;
        let pictures = TempDir::new("pictures").unwrap();
        let media_dir = pictures.path().join(MEDIA_DIR);
        let options = Options {
            logins: Logins::separate(&owner, &passwords()),
            connections,
            identity,
            gateway: gateway_settings(gateway, &media_dir),
            payments,
            media: Media::local(&media_dir),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = Store::start(options, listener).await.unwrap();
        let guest = Person::at(&format!("http://{}", store.address()));
        let close = CancellationToken::new();
        let served = tokio::spawn(store.run_until(close.clone().cancelled_owned()));
        let admin = guest.sign_in(ADMIN_EMAIL).await;
        Self { owner, pictures, guest, admin, close, served }
    }

    /// The directory that its pictures are in.
    pub(crate) fn pictures(&self) -> PathBuf {
        self.pictures.path().join(MEDIA_DIR)
    }

    /// Where a path of it is.
    pub(crate) fn url(&self, path: &str) -> String {
        self.guest.url(path)
    }

    /// Somebody who has not signed in.
    pub(crate) fn guest(&self) -> &Person {
        &self.guest
    }

    /// The one who runs the shop.
    pub(crate) fn admin(&self) -> &Person {
        &self.admin
    }

    /// A new account, `<name>@shop.example`, signed in.
    pub(crate) async fn register(&self, name: &str) -> Person {
        let body = json!({"name": name, "email": email_of(name), "username": name, "password": PASSWORD});
        let session = self.guest.post("/api/auth/register", body).await.expect(201).json;
        self.guest.clone().signed_in(session)
    }

    /// The database, as its owner: for looking, and for breaking things.
    pub(crate) async fn sql(&self) -> PgPool {
        PgPool::connect_with(self.owner.clone()).await.unwrap()
    }

    /// The database, as a role.
    pub(crate) async fn sql_as(&self, role: &str) -> PgConnection {
        PgConnection::connect_with(&self.owner.clone().username(role)).await.unwrap()
    }

    /// Fails unless everything adds up.
    pub(crate) async fn verify(&self) {
        verify(&self.owner).await;
    }

    /// Closes the store, and waits until it is.
    pub(crate) async fn stop(self) {
        self.close.cancel();
        self.served.await.unwrap().unwrap();
    }
}

/// Waits until something is so, for as long as anything here may take.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The email that [`Shop::register`] gives to a name.
pub(crate) fn email_of(name: &str) -> String {
    format!("{name}@shop.example")
}

/// A migrated database with an admin and the services' roles, and nothing else.
pub(crate) async fn database() -> TestDatabase {
    testing::database("shop", |url| async move { prepare(&url).await }).await
}

/// Fails unless everything adds up.
pub(crate) async fn verify(owner: &PgConnectOptions) {
    let report = verify::run(owner).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

/// Fills the template that every shop's database is copied from.
pub(crate) async fn prepare(url: &str) -> anyhow::Result<()> {
    let owner: PgConnectOptions = url.parse()?;
    provision::migrate(&owner).await?;
    provision::roles(&owner, &passwords()).await?;
    let db = PgPool::connect_with(owner).await?;
    bodega_identity::create_admin(&db, &identity_settings(), "Admin", ADMIN_EMAIL, PASSWORD).await?;
    db.close().await;
    Ok(())
}

/// The test cluster asks for none, but roles have them.
fn passwords() -> Passwords {
    let password = || "of a test".to_owned();
    Passwords { identity: password(), catalog: password(), cart: password(), order: password() }
}

/// The defaults, but for patience: nobody is sent away but where a test is about that.
fn identity_settings() -> bodega_identity::Settings {
    let settings = bodega_identity::Settings::new(JWT_SECRET_KEY.parse().unwrap());
    bodega_identity::Settings { hash_wait: PATIENCE, ..settings }
}

/// The defaults, but for these arguments and the place of the pictures.
fn gateway_settings(arguments: &[&'static str], media_dir: &Path) -> bodega_gateway::Settings {
    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        settings: bodega_gateway::Settings,
    }
    let settings = Defaults::parse_from(["test"].iter().chain(arguments)).settings;
    bodega_gateway::Settings { media_dir: Some(media_dir.to_owned()), ..settings }
}
