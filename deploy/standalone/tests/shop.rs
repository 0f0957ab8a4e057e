//! A store to test: open on a port of its own, with a database of its own.

use std::time::Duration;

use bodega::{
    provision::{self, Logins, Passwords},
    store::{Options, Store},
    verify,
};
use bodega_postgres::testing::{self, TestDatabase};
use clap::Parser;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::person::{Person, Response};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "a mug of tea at four";
/// Who runs every shop.
pub(crate) const ADMIN_EMAIL: &str = "admin@shop.example";
/// Seals every shop's signing keys.
pub(crate) const JWT_SECRET_KEY: &str = "a secret of the tests, long enough";

/// An open store, closed when dropped.
pub(crate) struct Shop {
    owner: PgConnectOptions,
    guest: Person,
    admin: Person,
    close: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Shop {
    /// Opens a store with empty shelves, an admin signed in, and small pools.
    pub(crate) async fn start() -> Self {
        Self::start_with(3).await
    }

    /// Opens a store whose services keep at most this many connections each.
    pub(crate) async fn start_with(connections: u32) -> Self {
        Self::open(database().await.url().parse().unwrap(), connections).await
    }

    /// Opens a store that hashes one password at a time, for which nobody waits longer than this.
    pub(crate) async fn start_hashing_for(hash_wait: Duration) -> Self {
        let identity =
            bodega_identity::Settings { max_concurrent_hashes: 1, hash_wait, ..identity_settings() };
        Self::open_with(database().await.url().parse().unwrap(), 3, identity).await
    }

    /// Opens a store on a database that was [prepared](prepare).
    pub(crate) async fn open(owner: PgConnectOptions, connections: u32) -> Self {
        Self::open_with(owner, connections, identity_settings()).await
    }

    async fn open_with(
        owner: PgConnectOptions,
        connections: u32,
        identity: bodega_identity::Settings,
    ) -> Self {
        let options = Options {
            logins: Logins::separate(&owner, &passwords()),
            connections,
            identity,
            gateway: gateway_settings(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = Store::start(options, listener).await.unwrap();
        let guest = Person::at(&format!("http://{}", store.address()));
        let close = CancellationToken::new();
        let served = tokio::spawn(store.run_until(close.clone().cancelled_owned()));
        let admin = guest.sign_in(ADMIN_EMAIL).await;
        Self { owner, guest, admin, close, served }
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

fn identity_settings() -> bodega_identity::Settings {
    bodega_identity::Settings::new(JWT_SECRET_KEY.parse().unwrap())
}

/// The defaults, but for patience.
fn gateway_settings() -> bodega_gateway::Settings {
    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        settings: bodega_gateway::Settings,
    }
    // Two hundred buyers at once take their time where everything else is tested beside them.
    Defaults::parse_from(["test", "--request-timeout", "60"]).settings
}
