//! A database for each service.

use bodega::{
    provision::Logins,
    verify::{self, Report},
};
use bodega_embedded_postgres::testing::{self, TempDir, TestDatabase};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions};
use tokio::process::Command;

use crate::harness::{
    binary::{bodega, error_of, start_bodega, stdout_of},
    store::PASSWORD,
};

const SERVICES: [&str; 4] = ["identity", "catalog", "cart", "order"];

struct Databases([TestDatabase; 4]);

impl Databases {
    async fn create() -> Self {
        let empty = || testing::database("empty", |_| async { Ok(()) });
        Self([empty().await, empty().await, empty().await, empty().await])
    }

    /// The variables of the URLs.
    fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let names = SERVICES.map(|service| format!("BODEGA_{}_DATABASE_URL", service.to_uppercase()));
        names.into_iter().zip(self.0.iter().map(TestDatabase::url))
    }

    fn command(&self, dir: &TempDir, arguments: &[&str]) -> Command {
        let mut command = bodega(dir.path(), arguments);
        command.envs(self.variables());
        command
    }

    async fn verify(&self) -> Report {
        let [identity, catalog, cart, order]: [PgConnectOptions; 4] =
            self.0.each_ref().map(|database| database.url().parse().unwrap());
        verify::run(&Logins { identity, catalog, cart, order }).await.unwrap()
    }

    /// Executes a statement in the database of a service.
    async fn execute(&self, service: &str, statement: &str) {
        let index = SERVICES.iter().position(|name| *name == service).unwrap();
        let db = PgPool::connect(&self.0[index].url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&db).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_runs_on_four_databases_and_verify_compares_them() {
    let databases = Databases::create().await;
    let dir = TempDir::new("four-databases").unwrap();
    stdout_of(&mut databases.command(&dir, &["migrate"])).await;
    stdout_of(&mut databases.command(&dir, &["seed"])).await;
    let create = ["admin", "create", "--email", "ada@shop.example", "--password", PASSWORD];
    stdout_of(&mut databases.command(&dir, &create)).await;
    let store = start_bodega(&mut databases.command(&dir, &[])).await;
    let ada = store.sign_in("ada@shop.example", PASSWORD).await;
    let mug = ada.create_product("Mug", "19.99", 9).await;
    for _ in 0..3 {
        ada.buy(mug, 2).await;
    }
    ada.add_to_cart(mug, 1).await.expect(200);
    assert!(store.process.terminate().await.success());
    let report = databases.verify().await;
    assert!(report.is_clean(), "{report}");
    let output = stdout_of(&mut databases.command(&dir, &["verify"])).await;
    assert!(output.contains("checks passed"), "{output}");

    databases.execute("cart", "update cart.cart_items set product_id = 424242").await;
    databases.execute("identity", "alter table identity.users disable trigger all").await;
    databases
        .execute("catalog", "update catalog.reservation_lines set quantity = 1, name = 'A\tmug\\'")
        .await;
    databases
        .execute(
            "order",
            "update orders.orders set user_id = '018f0000-0000-7000-8000-000000000000' where id =
            (select max(id::text)::uuid from orders.orders)",
        )
        .await;
    let report = databases.verify().await;
    let failed = |name: &str| {
        let finding = report.findings().iter().find(|finding| finding.check.name == name).unwrap();
        finding.count
    };
    assert_eq!(failed("every line of an active order is reserved"), 3, "{report}");
    assert_eq!(failed("every reservation belongs to a line of an active order"), 3, "{report}");
    assert_eq!(failed("cart lines are within limits and refer to products"), 1, "{report}");
    assert_eq!(failed("order owners exist"), 1, "{report}");
    assert_eq!(failed("cart checkouts belong to orders of their user"), 1, "{report}");
    assert_eq!(failed("cart owners exist"), 0, "{report}");
    let (code, error) = error_of(&mut databases.command(&dir, &["verify", "--repair"])).await;
    assert!(code == 1 && error.contains("in one database"), "{error}");
}

#[tokio::test]
async fn a_service_without_a_database_is_named() {
    let databases = Databases::create().await;
    let dir = TempDir::new("three-databases").unwrap();
    let mut migrate = databases.command(&dir, &["migrate"]);
    let expected = "error: BODEGA_CART_DATABASE_URL is missing: set it, or DATABASE_URL";
    assert_eq!(error_of(migrate.env_remove("BODEGA_CART_DATABASE_URL")).await, (1, expected.to_owned()));
}
