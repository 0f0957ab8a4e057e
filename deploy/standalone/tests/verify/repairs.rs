//! `bodega verify --repair` repairs what is safe, reports it, and changes nothing else.

use std::collections::{BTreeMap, BTreeSet};

use bodega::{
    provision::Logins,
    verify::repair::{self, Repaired},
};
use bodega_embedded_postgres::testing::{TempDir, TestDatabase};
use futures_util::{StreamExt as _, stream};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{report, sample_data::sample_database, violated_rules, violations::VIOLATIONS};
use crate::harness::{binary::bodega, process};

/// Moves all timestamps one hour back, so that no work is in progress.
const AN_HOUR_AGO: &str = "
    update orders.orders set created_at = created_at - interval '1 h', placed_at = placed_at - interval '1 h',
        updated_at = updated_at - interval '1 h';
    update orders.outbox set created_at = created_at - interval '1 h';
    update orders.provider_events set received_at = received_at - interval '1 h';
    update orders.payments set updated_at = updated_at - interval '1 h', created_at = created_at - interval '1 h';
    update orders.refunds set updated_at = updated_at - interval '1 h', created_at = created_at - interval '1 h';
    update catalog.reservations set created_at = created_at - interval '1 h';
    update cart.cart_items set added_at = added_at - interval '1 h'";

/// Reverts every release of stock.
const REVERT_RELEASES: &str = "
    set session_replication_role = replica;
    update catalog.products p set stock = p.stock - back.units
    from (select product_id, sum(delta) as units from catalog.stock_movements where reason = 'released' group by 1) back
    where back.product_id = p.id;
    delete from catalog.stock_movements where reason = 'released';
    update catalog.reservations v set status = 'reserved', released_at = null
    where status = 'released' and exists (select from catalog.reservation_lines l where l.order_id = v.order_id)";

/// Deletes an order, but not its reservation.
const DELETE_ORDER: &str = "
    set session_replication_role = replica;
    create temporary table deleted as
    select id from orders.orders o
    where status = 'pending' and not exists (select from orders.payments p where p.order_id = o.id) limit 1;
    delete from orders.order_items where order_id in (select id from deleted);
    delete from orders.order_events where order_id in (select id from deleted);
    delete from orders.idempotency_keys where order_id in (select id from deleted);
    delete from cart.checkouts where order_id in (select id from deleted);
    delete from orders.orders where id in (select id from deleted)";

/// Puts the items of the latest order back into the cart, and one more unit.
const RESTORE_CART: &str = "
    create temporary table latest as
    select o.* from orders.orders o where placed_at is not null order by placed_at desc limit 1;
    delete from cart.checkouts where order_id in (select id from latest);
    insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency, added_at)
    select c.id, i.product_id, i.quantity + 1, i.price_minor, o.currency, o.created_at - interval '1 s'
    from latest o join orders.order_items i on i.order_id = o.id join cart.carts c on c.user_id = o.user_id";

/// Loses the record that the guest's cart was cleared. Grace has had 3 units of the same product for longer.
macro_rules! lose_checkout_of_guest {
    ($more:literal) => {
        concat!(
            "create temporary table guests as select * from orders.orders where guest_id is not null;
             create temporary table graces as
             select c.user_id, c.id as cart_id
             from cart.carts c join cart.cart_items i on i.cart_id = c.id where i.quantity = 3;
             delete from cart.checkouts where order_id in (select id from guests);
             update cart.cart_items set added_at = added_at - interval '1 day' where cart_id in (select cart_id from graces);",
            $more
        )
    };
}

async fn sql(database: &TestDatabase, sql: &'static str) {
    let mut db = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut db).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    db.close().await.unwrap();
}

async fn repaired(database: &TestDatabase) -> Repaired {
    repair::run(&Logins::shared(&database.url().parse().unwrap())).await.unwrap()
}

/// The sample data, which this SQL has violated an hour ago.
async fn violated_by(violation: &'static str) -> TestDatabase {
    let database = sample_database().await;
    sql(&database, violation).await;
    sql(&database, AN_HOUR_AGO).await;
    database
}

/// The content of every table.
async fn contents(database: &TestDatabase) -> BTreeMap<String, Option<String>> {
    let mut db = PgConnection::connect(&database.url()).await.unwrap();
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables
                  where schemaname in ('identity', 'catalog', 'cart', 'orders')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut db).await.unwrap();
    let mut contents = BTreeMap::new();
    for table in tables {
        let rows = format!("select string_agg(t::text, e'\\n' order by t::text) from {table} t");
        let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(&mut db).await.unwrap();
        contents.insert(table, rows);
    }
    contents
}

#[tokio::test]
async fn repairs_change_nothing_if_all_checks_pass() {
    let database = violated_by("select").await;
    let before = contents(&database).await;
    let Repaired { done, report } = repaired(&database).await;
    assert_eq!(done, Vec::<String>::new());
    assert!(report.is_clean(), "{report}");
    assert!(contents(&database).await == before);
}

/// Asserts that a repair leaves no violation, and that a second run does nothing.
async fn assert_repaired(violation: &'static str) -> (TestDatabase, Vec<String>) {
    let database = violated_by(violation).await;
    let before = report(&database).await;
    assert!(!before.is_clean(), "no violation: {violation}");
    let Repaired { done, report } = repaired(&database).await;
    assert!(report.is_clean(), "{violation}: {done:?}\n{report}");
    let after = contents(&database).await;
    assert_eq!(repaired(&database).await.done, Vec::<String>::new(), "{violation}");
    assert!(contents(&database).await == after, "{violation}");
    (database, done)
}

#[tokio::test]
async fn returns_stock_of_cancelled_orders() {
    let (_database, done) = assert_repaired(REVERT_RELEASES).await;
    assert_eq!(done.len(), 5, "three cancelled orders, two of them of two products: {done:?}");
    let line = done.iter().find(|line| line.starts_with("released 2 of product ")).unwrap();
    assert!(line.contains(" reserved for order ") && line.ends_with(", which is cancelled"), "{line}");
}

#[tokio::test]
async fn returns_stock_of_missing_orders() {
    let (_database, done) = assert_repaired(DELETE_ORDER).await;
    assert!(done.iter().all(|line| line.starts_with("released ") && line.ends_with(", which is missing")));
    assert!(!done.is_empty());
}

/// The stock movements say that the stock was already returned.
#[tokio::test]
async fn does_not_return_stock_twice() {
    let violation = "update catalog.reservations v set status = 'reserved', released_at = null
               where exists (select from catalog.reservation_lines l where l.order_id = v.order_id)
                 and status = 'released'";
    let (_database, done) = assert_repaired(violation).await;
    assert!(done.iter().all(|line| line.starts_with("closed the reservation of ")), "{done:?}");
    assert_eq!(done.len(), 5);
}

/// The units of refunds that the catalog knows are in stock already, or were not added back on purpose.
#[tokio::test]
async fn does_not_return_units_of_refunds() {
    let database = violated_by(REVERT_RELEASES).await;
    let returned = "update catalog.reservation_lines l set returned = 1 from orders.orders o
                    where o.id = l.order_id and o.status = 'cancelled' and l.quantity = 2";
    sql(&database, returned).await;
    let Repaired { done, .. } = repaired(&database).await;
    assert_eq!(done.len(), 5, "{done:?}");
    assert!(done.iter().all(|line| line.starts_with("released 1 of product ")), "{done:?}");
}

#[tokio::test]
async fn removes_only_ordered_items_from_carts() {
    let (database, done) = assert_repaired(RESTORE_CART).await;
    let [line] = &done[..] else { panic!("{done:?}") };
    assert!(line.starts_with("removed 1 of product ") && line.contains(": ordered with order "), "{line}");
    let mut db = PgConnection::connect(&database.url()).await.unwrap();
    let left = "select i.quantity from cart.cart_items i join cart.carts c on c.id = i.cart_id
                join orders.orders o on o.user_id = c.user_id join orders.order_items l on l.order_id = o.id
                where l.product_id = i.product_id and o.placed_at = (select max(placed_at) from orders.orders)";
    let left: Vec<i32> = sqlx::query_scalar(left).fetch_all(&mut db).await.unwrap();
    assert_eq!(left, [1], "the additional unit");
}

/// Returns the quantities of all lines of carts.
async fn quantities(database: &TestDatabase) -> Vec<i32> {
    let lines = "select array_agg(quantity order by quantity) from cart.cart_items";
    let mut db = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::query_scalar(lines).fetch_one(&mut db).await.unwrap()
}

/// The cart was never cleared, but its items were added after those orders.
#[tokio::test]
async fn keeps_items_added_after_the_order() {
    let (database, done) = assert_repaired("delete from cart.checkouts").await;
    assert!(done.iter().all(|line| line.starts_with("recorded the checkout of order ")), "{done:?}");
    assert_eq!(quantities(&database).await, [1, 3, 9_000]);
}

/// The claim of a guest's order does not make the items of the user's cart part of it.
#[tokio::test]
async fn keeps_items_of_a_user_who_has_claimed_the_order_of_a_guest() {
    let violation = lose_checkout_of_guest!(
        "update orders.orders o set user_id = g.user_id, access_key_hash = null, cart_version = -number
         from graces g where o.guest_id is not null"
    );
    let (database, done) = assert_repaired(violation).await;
    let [line] = &done[..] else { panic!("{done:?}") };
    assert!(line.starts_with("recorded the checkout of order ") && line.contains(" for guest "), "{line}");
    assert_eq!(quantities(&database).await, [1, 3, 9_000]);
}

#[tokio::test]
async fn removes_ordered_items_from_the_cart_of_a_guest() {
    let violation = lose_checkout_of_guest!(
        "insert into cart.cart_items (cart_id, product_id, quantity, quoted_price_minor, currency, added_at)
         select c.id, i.product_id, i.quantity + 1, i.price_minor, o.currency, o.created_at - interval '1 s'
         from guests o
         join orders.order_items i on i.order_id = o.id
         join cart.carts c on substr(c.guest_token_hash, 1, 16) = uuid_send(o.guest_id)"
    );
    let (database, done) = assert_repaired(violation).await;
    let [line] = &done[..] else { panic!("{done:?}") };
    assert!(line.starts_with("removed 1 of product ") && line.contains(" from the cart of guest "), "{line}");
    assert_eq!(quantities(&database).await, [1, 1, 3, 9_000]);
}

/// The lines may be those of the order, or the user's own.
#[tokio::test]
async fn leaves_merged_carts_of_guests_alone() {
    let violation = lose_checkout_of_guest!(
        "delete from cart.carts c using guests o where substr(c.guest_token_hash, 1, 16) = uuid_send(o.guest_id);
         insert into cart.merged_guests (guest_id, user_id) select o.guest_id, g.user_id from guests o, graces g"
    );
    let database = violated_by(violation).await;
    let Repaired { done, report } = repaired(&database).await;
    assert_eq!(violated_rules(&report), BTreeSet::from(["ordered items were removed from the cart"]));
    assert_eq!(done, Vec::<String>::new());
    assert_eq!(quantities(&database).await, [1, 3, 9_000]);
    // Without a line from before the order there is nothing to remove.
    sql(&database, "update cart.cart_items set added_at = now()").await;
    let Repaired { done, report } = repaired(&database).await;
    assert!(done.len() == 1 && report.is_clean(), "{done:?}\n{report}");
    assert_eq!(quantities(&database).await, [1, 3, 9_000]);
}

#[tokio::test]
async fn repairs_only_safe_violations() {
    let mut repaired_checks = BTreeMap::new();
    // Each violation has a database of its own.
    let mut repairs = stream::iter(VIOLATIONS)
        .map(|(rule, violation)| async move { (rule, repairs_violation(rule, violation).await) })
        .buffer_unordered(4);
    while let Some((rule, is_repaired)) = repairs.next().await {
        if is_repaired {
            *repaired_checks.entry(*rule).or_insert(0) += 1;
        }
    }
    let expected = [
        ("every open payment has a scheduled poll", 3),
        ("every open refund is scheduled", 1),
        ("no delivery was permanently rejected", 1),
        ("every provider event is applied or scheduled", 1),
        // The other violation concerns an active order.
        ("every reservation belongs to a line of an active order", 1),
        ("ordered items were removed from the cart", 1),
    ];
    assert_eq!(repaired_checks, BTreeMap::from(expected));
}

/// Returns whether the repair of a violation repairs its check. Asserts that it changes nothing without a report, and nothing
/// when it is repeated.
async fn repairs_violation(rule: &str, violation: &'static str) -> bool {
    let database = violated_by(violation).await;
    let before = contents(&database).await;
    let Repaired { done, report } = repaired(&database).await;
    let is_repaired = !violated_rules(&report).contains(rule);
    if done.is_empty() {
        assert!(!is_repaired && contents(&database).await == before, "{violation}");
    } else {
        let after = contents(&database).await;
        assert_eq!(repaired(&database).await.done, Vec::<String>::new(), "a second time: {violation}");
        assert!(contents(&database).await == after, "{violation}");
    }
    is_repaired
}

/// Work of the last minute may be in progress.
#[tokio::test]
async fn leaves_recent_work_alone() {
    for violation in [REVERT_RELEASES, RESTORE_CART] {
        let database = sample_database().await;
        sql(
            &database,
            "update orders.orders set updated_at = now(), placed_at = now() where placed_at is not null",
        )
        .await;
        sql(&database, violation).await;
        let before = contents(&database).await;
        let Repaired { done, report } = repaired(&database).await;
        assert_eq!(done, Vec::<String>::new());
        assert!(!report.is_clean());
        assert!(contents(&database).await == before);
    }
}

#[tokio::test]
async fn the_command_prints_repairs_and_exits_with_the_result() {
    let database = violated_by(REVERT_RELEASES).await;
    let dir = TempDir::new("repair").unwrap();
    let verify = async |arguments: &[&str]| {
        let mut command = bodega(dir.path(), arguments);
        let output = process::run(command.env("DATABASE_URL", database.url())).await;
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(verify(&["verify"]).await.0, Some(1));
    let (code, output) = verify(&["verify", "--repair"]).await;
    assert_eq!(code, Some(0), "{output}");
    let repaired = output.lines().take_while(|line| line.starts_with("repaired  released ")).count();
    assert_eq!(repaired, 5, "{output}");
    assert!(output.lines().nth(repaired).unwrap().starts_with("ok       "), "{output}");
    assert!(output.contains("checks passed"), "{output}");

    let (code, output) = verify(&["verify", "--repair"]).await;
    assert_eq!((code, output.contains("repaired")), (Some(0), false), "{output}");

    sql(&database, "update catalog.products set stock = stock + 1").await;
    let (code, output) = verify(&["verify", "--repair"]).await;
    assert_eq!((code, output.contains("repaired")), (Some(1), false), "{output}");
    assert!(output.contains("FAILED   stock equals the sum of its movements"), "{output}");
}
