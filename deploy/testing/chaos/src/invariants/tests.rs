use std::{collections::BTreeMap, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    reading::{id, orders_told, places_order},
    *,
};
use crate::{
    fleet::FleetOptions,
    shopper::{Shelf, Shopper},
};

/// One for each break that needs an order of its own.
const ENOUGH: usize = 5;

#[test]
fn a_store_that_nobody_used_keeps_every_invariant() {
    let nothing = judge(&Books::default(), &Shown::default(), &Till::default(), &[]);
    assert_eq!(nothing, Vec::<String>::new());
}

#[test]
fn a_violation_says_which_invariant_it_breaks() {
    let till = Till { faults: vec!["pi_1 is odd".to_owned()], ..Till::default() };
    let found = judge(&Books::default(), &Shown::default(), &till, &[]);
    assert_eq!(found, ["I2 money: Stripe's own ledger does not add up: pi_1 is odd"]);
}

/// What is done behind a store's back, one after the other, and the beginnings of what is then found anew.
const BREAKS: [(&str, &[&str]); 8] = [
    (
        "update catalog.products set stock = stock - 1 where id = (select min(id) from catalog.products)",
        &["I1 stock: product "],
    ),
    (
        "delete from orders.orders where id = PAID",
        &["I1 stock: product ", "I2 money: charge ", "I3 kept: order "],
    ),
    ("update orders.orders set status = 'pending' where id = PAID", &["I2 money: order ", "I3 kept: order "]),
    (
        "update orders.payments set status = 'processing' where order_id = PAID",
        &["I3 kept: order ", "I4 settled: a payment "],
    ),
    (
        "update orders.order_items set quantity = quantity + 1000 where order_id = PAID",
        &["I1 stock: product ", "I3 kept: order ", "I5 once: user "],
    ),
    (
        "update orders.idempotency_keys set order_id = gen_random_uuid() where order_id = PAID",
        &["I5 once: key "],
    ),
    ("update cart.cart_items set quantity = quantity + 1", &["I3 kept: the cart of user "]),
    ("update identity.users set email = 'x@shop.example' where role = 'user'", &["I3 kept: account "]),
];

/// A store that shoppers have used for a while, and what they were told.
async fn used() -> (Fleet, Journal) {
    let options = FleetOptions { standalone: true, durable: false, seed: 0, access_ttl: None, log_dir: None };
    let fleet = Fleet::start(options).await.unwrap();
    let shelf = Shelf::stock(fleet.url(), fleet.admin(), 6, 500).await.unwrap();
    let (journal, until) = (Journal::begin(), CancellationToken::new());
    let shop = |number| {
        let stripe = fleet.stripe().clone();
        let shopper = Shopper::new(number, 1, fleet.url(), journal.clone(), stripe, &shelf);
        tokio::spawn(shopper.shop(until.clone()))
    };
    let shoppers: Vec<_> = (0..6).map(shop).collect();
    while seen_paid(&journal).len() < ENOUGH {
        sleep(Duration::from_millis(100)).await;
    }
    until.cancel();
    for shopper in shoppers {
        shopper.await.unwrap();
    }
    while unsettled(&fleet).await.unwrap() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    (fleet, journal)
}

/// Orders that their shoppers saw paid last, after they had placed them with a key.
fn seen_paid(journal: &Journal) -> Vec<String> {
    let mut paid: BTreeMap<String, bool> = BTreeMap::new();
    let exchanges = journal.exchanges();
    for exchange in &exchanges {
        for order in orders_told(exchange) {
            let is_keyed = places_order(exchange) && exchange.key.is_some();
            if is_keyed || paid.contains_key(id(order)) {
                paid.insert(id(order).to_owned(), order["status"] == "paid");
            }
        }
    }
    paid.into_iter().filter_map(|(order, is_paid)| is_paid.then_some(order)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_used_keeps_every_invariant_and_whatever_is_broken_in_it_is_found() {
    let (fleet, journal) = used().await;
    let mut before = check(&fleet, &journal).await.unwrap();
    assert_eq!(before, Vec::<String>::new());

    let mut db = PgConnection::connect(&fleet.database_url()).await.unwrap();
    // As somebody would who does not care for constraints.
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut db).await.unwrap();
    let mut paid = seen_paid(&journal).into_iter();
    for (sql, expected) in BREAKS {
        let sql = match sql.contains("PAID") {
            true => sql.replace("PAID", &format!("'{}'", paid.next().unwrap())),
            false => sql.to_owned(),
        };
        let done = sqlx::raw_sql(AssertSqlSafe(sql.as_str())).execute(&mut db).await.unwrap();
        assert!(done.rows_affected() > 0, "breaks nothing: {sql}");
        let now = check(&fleet, &journal).await.unwrap();
        for beginning in expected {
            let is_new = |found: &&String| found.starts_with(beginning) && !before.contains(found);
            assert!(now.iter().any(|found| is_new(&found)), "{sql}: no {beginning:?} in {now:#?}");
        }
        before = now;
    }
}
