//! `bodega verify` finds what is wrong, and nothing where nothing is.

use std::{collections::BTreeSet, time::Duration};

use bodega::verify::{self, CHECKS, Kind, Report};
use bodega_postgres::testing::{self, TestDatabase};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};

use crate::shop::{self, Shop};

/// The database of a shop that has been used: an order in each state, one rejected, carts with something in them.
async fn used() -> TestDatabase {
    testing::database("used shop", |url| async move {
        shop::prepare(&url).await?;
        let shop = Shop::open(url.parse()?, 3).await;
        let admin = shop.admin();
        let mug = admin.create_product("Mug", "19.99", 500).await;
        let pot = admin.create_product("Pot", "45", 100).await;
        admin.patch(&format!("/api/products/{pot}"), serde_json::json!({"stock": 90})).await.expect(200);
        let ada = shop.register("ada").await;
        for moves in [
            &[][..],
            &["confirmed"],
            &["paid"],
            &["confirmed", "paid", "shipped", "completed"],
            &["confirmed", "shipped"],
            &["cancelled"],
            &["paid", "cancelled"],
        ] {
            ada.add_to_cart(pot, 1).await.expect(200);
            let order = ada.buy(mug, 2).await;
            for status in moves {
                admin.move_order(&order, status).await.expect(200);
            }
        }
        ada.add_to_cart(pot, 9_000).await.expect(200);
        ada.place_order_with_key("a-key").await.expect(409);
        shop.register("grace").await.add_to_cart(mug, 3).await.expect(200);
        shop.guest().add_to_cart(mug, 1).await.expect(200);
        shop.stop().await;
        Ok(())
    })
    .await
}

/// The rules about time.
const OVERDUE: [&str; 2] = ["no attempt to order is stuck", "no message to a neighbour is stuck"];

/// Ways to break a rule: its name, and what a superuser could do.
const BREAKS: &[(&str, &str)] = &[
    // Catalog.
    ("stock is the sum of its movements", "update catalog.products set stock = stock + 1"),
    (
        "stock was never below zero",
        "update catalog.products set stock = 0;
         insert into catalog.stock_movements (product_id, delta, reason) select id, -1000000, 'adjusted' from catalog.products",
    ),
    (
        "what was put in is in stock or reserved",
        "set session_replication_role = replica;
         delete from catalog.reservation_lines",
    ),
    (
        "what went out of stock and came back was reserved and released",
        "set session_replication_role = replica;
         update catalog.stock_movements set delta = delta - 1 where reason = 'reserved'",
    ),
    (
        "what went out of stock and came back was reserved and released",
        "set session_replication_role = replica;
         delete from catalog.stock_movements where reason = 'released'",
    ),
    (
        "an order that lives has its lines reserved",
        "update catalog.reservations set status = 'released', released_at = now()",
    ),
    ("an order that lives has its lines reserved", "update catalog.reservation_lines set price_minor = price_minor + 1"),
    (
        "what is reserved belongs to an order that lives, line by line",
        "update catalog.reservations set status = 'reserved', released_at = null where status = 'released'",
    ),
    (
        "what is reserved belongs to an order that lives, line by line",
        "delete from orders.order_items where quantity = 1",
    ),
    // Orders.
    ("an order costs what its lines cost", "update orders.orders set total_minor = total_minor + 1 where status = 'paid'"),
    ("an order costs what its lines cost", "update orders.order_items set quantity = 1 where quantity = 2"),
    ("an order costs what its lines cost", "delete from orders.order_items where quantity = 2"),
    ("an order moved along its states", "update orders.orders set status = 'shipped' where status = 'confirmed'"),
    ("an order moved along its states", "delete from orders.order_events where status = 'pending'"),
    (
        "an order moved along its states",
        "insert into orders.order_events (order_id, status, at)
         select id, 'shipped', now() from orders.orders where status = 'cancelled'",
    ),
    ("an order is paid once, in full, and refunded when it is cancelled", "delete from orders.payments"),
    (
        "an order is paid once, in full, and refunded when it is cancelled",
        "update orders.payments set amount_minor = amount_minor - 1",
    ),
    (
        "an order is paid once, in full, and refunded when it is cancelled",
        "update orders.payments set status = 'completed' where status = 'refunded'",
    ),
    (
        "an order is paid once, in full, and refunded when it is cancelled",
        "insert into orders.payments (order_id, provider, status, amount_minor, currency)
         select id, 'offline', 'completed', total_minor, currency from orders.orders where status = 'pending'",
    ),
    (
        "a cart as it stood gave one order",
        "drop index orders.one_order_per_cart_version; update orders.orders set cart_version = 1",
    ),
    ("an idempotency key leads its user to their own order", "update orders.idempotency_keys set user_id = gen_random_uuid()"),
    ("whoever ordered has an account", "update orders.orders set user_id = gen_random_uuid()"),
    // Cart.
    (
        "a cart's lines are within bounds, of products there are",
        "alter table cart.cart_items drop constraint quantity_in_bounds;
         update cart.cart_items set quantity = 10000 where quantity = 1",
    ),
    (
        "a cart's lines are within bounds, of products there are",
        "insert into cart.cart_items (cart_id, product_id, quantity, seen_price_minor, currency)
         select id, 999, 1, 0, 'USD' from cart.carts limit 1",
    ),
    ("a cart belongs to an account or a guest", "update cart.carts set user_id = gen_random_uuid() where user_id is not null"),
    ("what was taken out of a cart was ordered", "update cart.checkouts set order_id = gen_random_uuid()"),
    ("what was ordered was taken out of its cart", "delete from cart.checkouts"),
    // Identity.
    (
        "a login belongs to one account",
        "alter table identity.users drop constraint one_account_per_email;
         update identity.users set email_key = 'a@b', email = 'a@b'",
    ),
    ("whoever is disabled or deleted is signed out", "update identity.users set disabled = true where role = 'user'"),
    ("somebody can run the shop", "update identity.users set role = 'user'"),
    (
        "one key signs access tokens",
        "drop index identity.one_signing_key_at_a_time;
         insert into identity.signing_keys
         select (jsonb_populate_record(k, '{\"kid\": \"another\"}')).* from identity.signing_keys k",
    ),
];

async fn report(database: &TestDatabase) -> Report {
    verify::run(&database.url().parse().unwrap()).await.unwrap()
}

fn broken(report: &Report) -> BTreeSet<&'static str> {
    let broken = report.findings().iter().filter(|found| found.check.kind == Kind::Rule && found.count > 0);
    broken.map(|found| found.check.name).collect()
}

#[tokio::test]
async fn a_shop_that_has_been_used_adds_up() {
    let report = report(&used().await).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.findings().len(), CHECKS.len());
}

#[tokio::test]
async fn every_break_of_a_rule_is_found() {
    for (rule, sql) in BREAKS {
        let database = used().await;
        let db = PgPool::connect(&database.url()).await.unwrap();
        let changed =
            sqlx::raw_sql(AssertSqlSafe(*sql)).execute(&db).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert!(changed.rows_affected() > 0, "breaks nothing: {sql}");
        let report = report(&database).await;
        assert!(broken(&report).contains(rule), "{rule}: {sql}\n{report}");
        assert!(!report.is_clean());
    }
}

/// What is overdue counts from when the order service came up; while it is down, nothing is.
#[tokio::test]
async fn what_waits_is_pending_and_stuck_once_the_order_service_was_up_for_10_s() {
    let database = used().await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    let waiting = "
        update orders.orders
        set status = 'placing', refusal = null, lease_until = now(), recover_at = now(),
            created_at = now() - interval '1 h'
        where status = 'rejected';
        insert into orders.outbox (order_id, kind, next_attempt_at, created_at)
        select id, 'clear_cart', now(), now() - interval '1 h' from orders.orders where status = 'shipped'";
    sqlx::raw_sql(waiting).execute(&db).await.unwrap();

    let before = report(&database).await;
    assert!(before.is_clean(), "{before}");
    assert!(before.to_string().contains("pending  orders being placed: 1"), "{before}");
    assert!(before.to_string().contains("pending  messages to neighbours on their way: 1"), "{before}");

    let order = database.url().parse::<PgConnectOptions>().unwrap().application_name("bodega-order");
    let _up = PgConnection::connect_with(&order).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    let after = report(&database).await;
    assert_eq!(broken(&after), BTreeSet::from(OVERDUE), "{after}");
}

#[test]
fn every_rule_is_broken_once_here() {
    let rules: BTreeSet<_> =
        CHECKS.iter().filter(|check| check.kind == Kind::Rule).map(|check| check.name).collect();
    let broken: BTreeSet<_> = BREAKS.iter().map(|(rule, _)| *rule).chain(OVERDUE).collect();
    assert_eq!(rules, broken);
}
