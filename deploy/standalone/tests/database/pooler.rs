//! A store behind pgbouncer in transaction mode. `PGBOUNCER` names the program; otherwise it is searched in the path.

use std::{
    env,
    fs::{self, File, Permissions},
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    time::Duration,
};

use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use futures_util::future::join_all;
use serde_json::json;
use sqlx::{PgPool, postgres::PgConnectOptions};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::harness::{
    binary::{bodega, error_of, start_bodega, stdout_of},
    process,
    store::{Client, PASSWORD},
};

const SERVICES: [&str; 4] = ["identity", "catalog", "cart", "order"];
/// Concurrent customers.
const CUSTOMERS: usize = 12;

/// A running pgbouncer; killed when dropped.
struct PgBouncer {
    _process: Child,
    port: u16,
    log: PathBuf,
}

/// Returns pgbouncer, if it is new enough for prepared statements.
async fn program() -> Option<String> {
    let program = env::var("PGBOUNCER").unwrap_or_else(|_| "pgbouncer".to_owned());
    let version = Command::new(&program).arg("--version").output().await.ok()?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let mut numbers = version.split_whitespace().nth(1)?.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?.parse::<u32>().ok()?);
    (major == "1" && minor >= 21).then_some(program)
}

impl PgBouncer {
    /// Starts it in front of a database, with one server connection for each role.
    async fn start(program: &str, database: &TestDatabase, dir: &TempDir) -> Self {
        let options: PgConnectOptions = database.url().parse().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            path
        };
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let users = SERVICES.map(|service| format!("\"bodega_{service}\" \"\"\n")).concat();
        let users = file("users", &users);
        let configuration = [
            "[databases]".to_owned(),
            format!(
                "shop = host='{}' port={} dbname='{}'",
                options.get_socket().unwrap().display(),
                options.get_port(),
                options.get_database().unwrap()
            ),
            "[pgbouncer]".to_owned(),
            "listen_addr = 127.0.0.1".to_owned(),
            format!("listen_port = {port}"),
            "unix_socket_dir =".to_owned(),
            "auth_type = trust".to_owned(),
            format!("auth_file = {}", users.display()),
            "pool_mode = transaction".to_owned(),
            "default_pool_size = 1".to_owned(),
            "max_prepared_statements = 200".to_owned(),
        ];
        let ini = file("pgbouncer.ini", &configuration.join("\n"));
        let log = dir.path().join("pgbouncer.log");
        let mut command = process::command(program);
        // It does not run as root, and only the user of the server can enter the directory of its socket.
        let server = fs::metadata(options.get_socket().unwrap()).unwrap();
        command.uid(server.uid()).gid(server.gid());
        command.arg(&ini).stderr(File::create(&log).unwrap());
        let process = command.spawn().unwrap();
        let listening = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(Duration::from_secs(10), listening).await.is_err() {
            panic!("pgbouncer does not listen: {}", fs::read_to_string(&log).unwrap());
        }
        Self { _process: process, port, log }
    }

    /// The variables with the URLs of the services.
    fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let url = |service: &str| {
            format!("postgres://bodega_{service}@127.0.0.1:{}/shop?sslmode=disable", self.port)
        };
        let variables =
            SERVICES.map(|service| (format!("BODEGA_{}_DATABASE_URL", service.to_uppercase()), url(service)));
        variables.into_iter().chain([("BODEGA_DB_POOLER".to_owned(), "true".to_owned())])
    }
}

/// Migrates, creates the roles and seeds, as the owner and without the pooler.
async fn prepare(database: &TestDatabase, dir: &TempDir) {
    let passwords =
        SERVICES.map(|service| (format!("BODEGA_{}_DB_PASSWORD", service.to_uppercase()), "of a test"));
    let direct = |arguments: &[&str]| {
        let mut command = bodega(dir.path(), arguments);
        command.env("DATABASE_URL", database.url()).envs(passwords.clone());
        command
    };
    stdout_of(&mut direct(&["migrate"])).await;
    stdout_of(&mut direct(&["seed"])).await;
    let create = ["admin", "create", "--email", "ada@shop.example", "--password", PASSWORD];
    stdout_of(&mut direct(&create)).await;
}

async fn register(guest: &Client, name: &str) -> Client {
    let body = json!({"name": name, "email": format!("{name}@shop.example"), "password": PASSWORD});
    let session = guest.post("/api/auth/register", body).await.expect(201).json;
    guest.clone().signed_in(session)
}

/// Searches, buys and leaves.
async fn shop(customer: &Client, product: i64) {
    for path in ["q=mug", "q=gardn", "minPrice=5&maxPrice=50", "sort=price&limit=5", "inStock=true"] {
        customer.get(&format!("/api/products?{path}")).await.expect(200);
    }
    for quantity in 1..=3 {
        customer.buy(product, quantity).await;
    }
    customer.get("/api/orders").await.expect(200);
    customer.post("/api/auth/logout", json!({})).await.expect(204);
    customer.get("/api/cart").await.expect(401);
}

#[tokio::test]
async fn a_store_works_behind_pgbouncer_with_one_connection_for_each_role() {
    let Some(program) = program().await else {
        println!("skipped: pgbouncer 1.21 or later is not installed (PGBOUNCER names the program)");
        return;
    };
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("pgbouncer").unwrap();
    prepare(&database, &dir).await;
    let pgbouncer = PgBouncer::start(&program, &database, &dir).await;

    let store = start_bodega(bodega(dir.path(), &[]).envs(pgbouncer.variables())).await;
    let ada = store.sign_in("ada@shop.example", PASSWORD).await;
    let mug = ada.create_product("Mug", "19.99", 900).await;
    let mut customers = Vec::new();
    for index in 0..CUSTOMERS {
        customers.push(register(&store.guest, &format!("customer{index}")).await);
    }
    join_all(customers.iter().map(|customer| shop(customer, mug))).await;

    let direct = PgPool::connect(&database.url()).await.unwrap();
    let connections: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and usename <> current_user and usename like 'bodega%'",
    )
    .fetch_one(&direct)
    .await
    .unwrap();
    assert_eq!(connections, 4, "one for each role");
    assert_eq!(ada.stock_of(mug).await, 900 - 6 * i64::try_from(CUSTOMERS).unwrap());
    assert!(store.process.terminate().await.success());
    let log = fs::read_to_string(&pgbouncer.log).unwrap();
    assert!(!log.contains("prepared statement") && !log.contains("unsupported"), "{log}");
    let output = stdout_of(bodega(dir.path(), &["verify"]).env("DATABASE_URL", database.url())).await;
    assert!(output.contains("checks passed"), "{output}");
}

/// Behind a pooler a session cannot limit its statements. The check needs no pooler.
#[tokio::test]
async fn rejects_a_role_without_time_limits() {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let dir = TempDir::new("unbounded").unwrap();
    prepare(&database, &dir).await;
    let error =
        error_of(bodega(dir.path(), &[]).env("DATABASE_URL", database.url()).env("BODEGA_DB_POOLER", "true"))
            .await;
    assert_eq!(error.0, 1);
    for part in ["BODEGA_DB_POOLER", "statement_timeout 0 ms", "bodega migrate"] {
        assert!(error.1.contains(part), "{}", error.1);
    }
    let error = error_of(
        bodega(dir.path(), &["migrate"]).env("DATABASE_URL", database.url()).env("BODEGA_DB_POOLER", "true"),
    )
    .await;
    assert!(error.0 == 1 && error.1.contains("direct connection"), "{}", error.1);
}
