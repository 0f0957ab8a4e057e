//! The services and the gateway as five processes, with gRPC between them.

use std::{fs, net::TcpListener, time::Duration};

use bodega::provision::{self, Logins};
use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use bodega_stripe_double::{Card, StripeDouble};
use serde_json::json;

use crate::harness::{
    binary::{SECRET, binary_dir, service},
    images::{photo_with_location, png},
    payments,
    process::{self, Running},
    store::{self, Client},
};

/// The processes, in the order they were started.
pub(crate) struct Processes {
    running: Vec<Running>,
    commands: Vec<tokio::process::Command>,
    /// Where each listens.
    pub(crate) addresses: Vec<String>,
    pub(crate) guest: Client,
    /// Shared by identity, catalog and the gateway.
    _images: TempDir,
    /// The services read their secrets from files.
    _secrets: TempDir,
}

impl Processes {
    /// Starts the five processes, each service with its own database role, and with Stripe keys. `program` returns the command
    /// of a process. They call each other at ports of `host`.
    pub(crate) async fn start(
        database: &TestDatabase,
        stripe: &StripeDouble,
        host: &str,
        program: impl Fn(&str) -> tokio::process::Command,
    ) -> Self {
        let images = TempDir::new("processes").unwrap();
        let secrets = TempDir::new("processes_secrets").unwrap();
        // All five ports are bound at the same time, so that they differ.
        let listeners: Vec<_> = (0..5).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        drop(listeners);

        let services = ["identity", "catalog", "cart", "order"];
        let prepare = |name: &str, address: &str| {
            let mut command = program(name);
            command.env("BODEGA_LISTEN", address);
            let database_url = database.url_as(&format!("bodega_{name}"));
            for (variable, value) in [
                ("BODEGA_SERVICE_TOKEN", "a_token_of_the_tests,_shared_by_all_five"),
                ("JWT_SECRET_KEY", store::JWT_SECRET_KEY),
                ("DATABASE_URL", &database_url),
            ] {
                let file = secrets.path().join(format!("{name}-{variable}"));
                fs::write(&file, format!("{value}\n")).unwrap();
                command.env(format!("{variable}_FILE"), file).env(variable, "");
            }
            command.env("BODEGA_MEDIA_DIR", images.path()).envs(payments::variables(stripe));
            for (service, address) in services.iter().zip(&addresses) {
                let (_, port) = address.rsplit_once(':').unwrap();
                command.env(format!("BODEGA_{}_URL", service.to_uppercase()), format!("{host}:{port}"));
            }
            command
        };
        let names = services.iter().chain(&["gateway"]);
        let mut commands: Vec<_> =
            names.zip(&addresses).map(|(name, address)| prepare(name, address)).collect();
        let running = commands.iter_mut().map(Running::start).collect();
        let url = format!("http://{}", addresses[4]);
        stripe.deliver_to(&format!("{url}{}", payments::WEBHOOK));
        let guest = Client::at(&url);
        guest.wait_for_all_services().await;
        Self { running, commands, addresses, guest, _images: images, _secrets: secrets }
    }

    /// Kills the process with this number and starts it again.
    pub(crate) async fn restart(&mut self, number: usize) {
        self.running.remove(number).kill().await;
        self.running.insert(number, Running::start(&mut self.commands[number]));
    }

    /// Terminates the processes, and asserts that each exits with success.
    pub(crate) async fn stop(self) {
        for process in self.running {
            let status = process.terminate().await;
            assert!(status.success(), "{status}");
        }
    }
}

#[tokio::test]
async fn a_purchase_works_across_five_processes() {
    a_purchase_works(service).await;
}

#[tokio::test]
async fn a_purchase_works_across_five_processes_of_one_binary() {
    a_purchase_works(|name| {
        let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
        command.args(["serve", name]);
        command
    })
    .await;
}

async fn a_purchase_works(program: impl Fn(&str) -> tokio::process::Command) {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let without_traces = |name: &str| {
        let mut command = program(name);
        // The same as not set.
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "");
        command
    };
    let store = Processes::start(&database, &stripe, "http://127.0.0.1", without_traces).await;

    purchase(&store, &stripe).await;
    store.stop().await;
    store::verify(&database.url().parse().unwrap()).await;
    assert_eq!(stripe.check(), Vec::<String>::new());
}

/// Uses every service.
pub(crate) async fn purchase(store: &Processes, stripe: &StripeDouble) {
    let admin = store.guest.sign_in(store::ADMIN_EMAIL).await;
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let body = json!({"name": "Ada", "email": "ada@shop.example", "password": store::PASSWORD});
    let session = store.guest.post("/api/auth/register", body).await.expect(201).json;
    let ada = store.guest.clone().signed_in(session);
    let order = ada.buy(mug, 2).await;
    assert_eq!(order["totalAmount"].to_string(), "39.98");
    let intent = ada.start_payment(&order).await.expect(200).json;
    payments::pay(stripe, &intent, Card::Visa).await;
    ada.wait_for_order(&order, "paid").await;
    assert_eq!(ada.stock_of(mug).await, 3);

    let product = admin.add_images(mug, &[&photo_with_location()]).await.expect(201).json;
    let profile = ada.set_avatar(&png()).await.expect(200).json;
    for url in [&product["images"][0]["thumbnailUrl"], &profile["avatarUrl"]] {
        store.guest.fetch_image(url.as_str().unwrap()).await.image();
    }

    ada.send(ada.request(reqwest::Method::POST, "/api/auth/logout")).await.expect(204);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ada.get("/api/cart").await.status, 401, "the gateway receives revocations");
}

#[tokio::test]
async fn a_service_waits_until_its_schema_is_migrated_by_the_owner() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let owner = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let role = "do $$ begin create role bodega_cart login; exception when duplicate_object then null; end $$";
    sqlx::raw_sql(role).execute(&owner).await.unwrap();
    // The log, on standard error, is read as lines of standard output.
    let mut cart = process::command("/bin/sh");
    cart.args(["-c", "exec \"$0\" 2>&1"]).arg(binary_dir().join("bodega-cart"));
    cart.env("BODEGA_LISTEN", "127.0.0.1:0").env("BODEGA_SERVICE_TOKEN", SECRET);
    let mut cart = Running::start(cart.env("DATABASE_URL", database.url_as("bodega_cart")));
    let line = cart.line().await;
    let version = bodega_cart::MIGRATOR.iter().last().unwrap().version;
    let expected = format!("schema cart: waiting for migration {version}: run `bodega migrate`");
    assert!(line.contains(&expected), "{line}");

    let owners = Logins::shared(&database.url().parse().unwrap());
    provision::migrate(&owners).await.unwrap();
    provision::roles(&owners, &store::passwords()).await.unwrap();
    // Other lines may precede it: there is no catalog.
    let listening = async {
        loop {
            let line = cart.line().await;
            println!("{line}");
            if line.contains("cart listening on") {
                break;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), listening).await.expect("cart starts");
    assert!(cart.terminate().await.success());
}

/// The address of the admin listener of each process, in the order of `Processes::running`.
struct AdminListeners([String; 5]);

impl AdminListeners {
    fn new() -> Self {
        let listeners = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        Self(listeners.map(|listener| listener.local_addr().unwrap().to_string()))
    }

    fn address_of(&self, name: &str) -> &str {
        let names = ["identity", "catalog", "cart", "order", "gateway"];
        &self.0[names.iter().position(|known| *known == name).unwrap()]
    }

    async fn status(&self, name: &str, path: &str) -> u16 {
        Client::at(&format!("http://{}", self.address_of(name))).get(path).await.status
    }
}

/// Waits until `/status` reports a service as unavailable.
async fn wait_until_unavailable(guest: &Client, name: &str) {
    let unavailable = async {
        loop {
            let status = guest.get("/status").await.expect(200).json;
            let services = status["services"].as_array().unwrap();
            let service = services.iter().find(|service| service["name"] == name).unwrap();
            if service["status"] == "unavailable" {
                assert_eq!(status["status"], "degraded");
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), unavailable).await.expect("the gateway notices it");
}

#[tokio::test]
async fn a_service_that_is_drained_or_killed_takes_only_its_own_routes() {
    let database = store::database().await;
    let stripe = payments::stripe().await;
    let listeners = AdminListeners::new();
    let mut store = Processes::start(&database, &stripe, "http://127.0.0.1", |name| {
        let mut command = service(name);
        command.env("BODEGA_ADMIN_HTTP", listeners.address_of(name));
        command.env("BODEGA_DRAIN_DELAY", if name == "cart" { "5" } else { "" });
        command
    })
    .await;
    let admin = store.guest.sign_in(store::ADMIN_EMAIL).await;
    admin.create_product("Mug", "19.99", 5).await;
    for name in ["identity", "catalog", "cart", "order", "gateway"] {
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(listeners.status(name, path).await, 200, "{name} {path}");
        }
    }

    // The processes after identity and catalog: cart and order.
    let stopped = tokio::spawn(store.running.remove(2).terminate());
    wait_until_unavailable(&store.guest, "cart").await;
    assert_eq!(listeners.status("cart", "/readyz").await, 503);
    assert_eq!(listeners.status("cart", "/healthz").await, 200);
    assert_eq!(listeners.status("cart", "/metrics").await, 200);
    admin.get("/api/cart").await.expect(200);
    assert!(!stopped.is_finished(), "it serves until the end of the drain delay");
    assert!(stopped.await.unwrap().success());

    store.running.remove(2).kill().await;
    wait_until_unavailable(&store.guest, "order").await;
    store.guest.get("/api/products").await.expect(200);
    store.guest.get("/readyz").await.expect(200);
    for name in ["identity", "catalog", "gateway"] {
        assert_eq!(listeners.status(name, "/readyz").await, 200, "{name}");
    }
    let rejected = admin.get("/api/orders").await;
    assert!(!rejected.header("retry-after").is_empty(), "{rejected:?}");
    rejected.expect_problem(503, "upstream_unavailable");
    store.stop().await;
}
