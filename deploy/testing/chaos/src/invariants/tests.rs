use std::{collections::BTreeMap, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    exchanges::{id, is_checkout, returned_orders},
    *,
};
use crate::{
    client::{Client, ProductSet},
    cluster::ClusterOptions,
};

/// The number of corruptions that need a paid order of their own.
const PAID_ORDERS: usize = 7;
const CLIENTS: usize = 6;

#[test]
fn an_unused_store_has_no_violations() {
    let violations =
        find_violations(&Snapshot::default(), &RestState::default(), &PaymentLedger::default(), &[]);
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn a_violation_names_its_invariant() {
    let ledger =
        PaymentLedger { inconsistencies: vec!["pi_1 is odd".to_owned()], ..PaymentLedger::default() };
    let violations = find_violations(&Snapshot::default(), &RestState::default(), &ledger, &[]);
    assert_eq!(violations, ["I2 payments: Stripe's ledger is inconsistent: pi_1 is odd"]);
}

/// Changes of the database that the store has not made, and the beginnings of the violations that each adds.
const CORRUPTIONS: [(&str, &[&str]); 11] = [
    (
        "update catalog.products set stock = stock - 1 where id = (select min(id) from catalog.products)",
        &["I1 stock: product "],
    ),
    (
        "delete from orders.orders where id = PAID",
        &["I1 stock: product ", "I2 payments: charge ", "I3 acknowledged: order "],
    ),
    (
        "update orders.orders set status = 'pending' where id = PAID",
        &["I2 payments: order ", "I3 acknowledged: order "],
    ),
    (
        "update orders.payments set status = 'processing' where order_id = PAID",
        &["I3 acknowledged: order ", "I4 pending work: payment "],
    ),
    (
        "update orders.order_items set quantity = quantity + 1000 where order_id = PAID",
        &["I1 stock: product ", "I3 acknowledged: order ", "I5 idempotency: user "],
    ),
    (
        "update orders.idempotency_keys set order_id = gen_random_uuid() where order_id = PAID",
        &["I5 idempotency: key "],
    ),
    ("update orders.orders set tax_minor = tax_minor + 1 where id = PAID", &["I6 selling: order "]),
    (
        "insert into orders.order_discounts (order_id, discount_id, title, class, amount_minor, released_at)
         values (PAID, 999, 'Sale', 'order', 1, now())",
        &["I6 selling: order "],
    ),
    ("update orders.discounts set used = used + 1 where code like 'LIMIT-%'", &["I6 selling: code "]),
    ("update cart.cart_items set quantity = quantity + 1", &["I3 acknowledged: the cart of user "]),
    ("update identity.users set email = 'x@shop.example' where role = 'user'", &["I3 acknowledged: user "]),
];

/// Starts a store and runs clients until enough orders are paid and a cart has a line.
async fn start_used_store() -> (Cluster, Journal) {
    let options = ClusterOptions {
        standalone: true,
        durable: false,
        seed: 0,
        access_ttl: None,
        log_dir: None,
        metrics: false,
        pgbouncer: None,
    };
    let cluster = Cluster::start(options).await.unwrap();
    let products = ProductSet::create_with_rules(cluster.url(), cluster.admin(), 6, 500).await.unwrap();
    let journal = Journal::start();
    let mut db = PgConnection::connect(&cluster.database_url()).await.unwrap();
    let mut first = 0;
    let mut cart_lines = 0;
    // The last clients may have ordered all that was in their carts: then others follow.
    while cart_lines == 0 {
        let stop = CancellationToken::new();
        let start = |number| {
            let stripe = cluster.stripe().clone();
            let client = Client::new(number, 1, cluster.url(), journal.clone(), stripe, &products);
            tokio::spawn(client.run(stop.clone()))
        };
        let clients: Vec<_> = (first..first + CLIENTS).map(start).collect();
        first += CLIENTS;
        // Each client may still cancel its last order.
        while paid_orders(&journal).len() < PAID_ORDERS + CLIENTS {
            sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
        for client in clients {
            client.await.unwrap();
        }
        while count_pending_work(&cluster).await.unwrap() > 0 {
            sleep(Duration::from_millis(100)).await;
        }
        let count = "select count(*) from cart.cart_items";
        cart_lines = sqlx::query_scalar::<_, i64>(count).fetch_one(&mut db).await.unwrap();
    }
    (cluster, journal)
}

/// Returns the orders that were placed with an idempotency key and were paid when they were last read.
fn paid_orders(journal: &Journal) -> Vec<String> {
    let mut is_paid: BTreeMap<String, bool> = BTreeMap::new();
    for exchange in &journal.exchanges() {
        for order in returned_orders(exchange) {
            let has_key = is_checkout(exchange) && exchange.idempotency_key.is_some();
            if has_key || is_paid.contains_key(id(order)) {
                is_paid.insert(id(order).to_owned(), order["status"] == "paid");
            }
        }
    }
    is_paid.into_iter().filter_map(|(order, is_paid)| is_paid.then_some(order)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_every_corruption_of_a_used_store() {
    let (cluster, journal) = start_used_store().await;
    let mut before = check(&cluster, &journal, &Journal::start()).await.unwrap();
    assert_eq!(before, Vec::<String>::new());

    let mut db = PgConnection::connect(&cluster.database_url()).await.unwrap();
    // Disables constraints and triggers.
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut db).await.unwrap();
    let mut paid = paid_orders(&journal).into_iter();
    for (sql, expected) in CORRUPTIONS {
        let sql = match sql.contains("PAID") {
            true => sql.replace("PAID", &format!("'{}'", paid.next().unwrap())),
            false => sql.to_owned(),
        };
        let result = sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut db).await.unwrap();
        assert!(result.rows_affected() > 0, "changes nothing: {sql}");
        let now = check(&cluster, &journal, &Journal::start()).await.unwrap();
        for beginning in expected {
            let is_new =
                |violation: &&String| violation.starts_with(beginning) && !before.contains(violation);
            assert!(now.iter().any(|violation| is_new(&violation)), "{sql}: no {beginning:?} in {now:#?}");
        }
        before = now;
    }
}
