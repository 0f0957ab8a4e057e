//! `bodega verify --repair` on a running store.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bodega::{
    provision::Logins,
    verify::repair::{self, Repaired},
};
use bodega_embedded_postgres::testing::TestDatabase;
use bodega_stripe_double::Card;
use futures_util::{future::join_all, join};
use sqlx::PgPool;

use crate::harness::{
    payments::{PaymentTest, payment_of},
    store::{self, StoreOptions, TestStore},
};

/// Moves all timestamps two minutes back, so that nothing is too recent for a repair.
const TWO_MINUTES_AGO: &str = "
    create function orders.long_ago() returns trigger language plpgsql as $$
    begin
        if tg_op = 'INSERT' then
            new.created_at := new.created_at - interval '2 min';
        elsif new.placed_at is distinct from old.placed_at then
            new.placed_at := new.placed_at - interval '2 min';
        end if;
        new.updated_at := new.updated_at - interval '2 min';
        return new;
    end
    $$;
    create trigger long_ago before insert or update on orders.orders for each row execute function orders.long_ago();
    alter table orders.outbox alter created_at set default now() - interval '2 min';
    alter table catalog.reservations alter created_at set default now() - interval '2 min';
    alter table cart.cart_items alter added_at set default clock_timestamp() - interval '2 min'";

/// A URL at which no webhook events arrive.
const UNREACHABLE: &str = "http://127.0.0.1:1/";

async fn repaired(database: &TestDatabase) -> Repaired {
    repair::run(&Logins::shared(&database.url().parse().unwrap())).await.unwrap()
}

/// Orders of each buyer: enough for several repairs.
const ORDERS: i64 = 32;

/// Places orders and cancels every other one; returns the number of units that stay ordered.
async fn order_and_cancel(store: &TestStore, name: &str, product: i64) -> i64 {
    let buyer = store.register(name).await;
    let mut ordered_units = 0;
    for round in 0..ORDERS {
        buyer.add_to_cart(product, 2).await.expect(200);
        let order = buyer.place_order_with_key(&round.to_string()).await.expect(201).json;
        if round % 2 == 0 {
            buyer.cancel(&order).await.expect(200);
        } else {
            ordered_units += 2;
        }
    }
    ordered_units
}

#[tokio::test]
async fn repairs_change_nothing_under_load() {
    let database = store::database().await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(TWO_MINUTES_AGO).execute(&db).await.unwrap();
    let store = TestStore::start_on(
        database.url().parse().unwrap(),
        StoreOptions { connections: 10, ..StoreOptions::default() },
    )
    .await;
    let mug = store.admin().create_product("Mug", "19.99", 1000).await;

    let names: Vec<_> = (0..8).map(|index| format!("buyer{index}")).collect();
    let shopping = join_all(names.iter().map(|name| order_and_cancel(&store, name, mug)));
    let (done, mut rounds) = (tokio::sync::OnceCell::new(), 0);
    let repairing = async {
        while !done.initialized() {
            let Repaired { done, .. } = repaired(&database).await;
            assert_eq!(done, Vec::<String>::new());
            rounds += 1;
        }
    };
    let shopping = async {
        let ordered_units: i64 = shopping.await.into_iter().sum();
        done.set(()).unwrap();
        ordered_units
    };
    let (ordered_units, ()) = join!(shopping, repairing);
    assert!(rounds > 3, "only {rounds} repairs");
    assert_eq!(ordered_units, 8 * ORDERS);
    assert_eq!(store.admin().stock_of(mug).await, 1000 - ordered_units);
    store.verify().await;
}

/// The repair waits until the order service has processed the rescheduled work.
#[tokio::test]
async fn the_order_service_completes_rescheduled_work() {
    let test = PaymentTest::start().await;
    let (ada, order) = test.order("ada").await;
    let intent = ada.start_payment(&order).await.expect(200).json;
    let mug = order["products"][0]["productId"].as_i64().unwrap();
    ada.add_to_cart(mug, 9_000).await.expect(200);
    ada.place_order_with_key("too-many").await.expect(409);
    let (grace, paid) = test.paid_order("grace").await;
    let db = test.store.sql().await;
    let count = async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&db).await.unwrap();
    let events = count("select count(*) from orders.provider_events").await;
    assert!(events > 0);
    test.stripe.deliver_to(UNREACHABLE);
    // Beyond the limits of the checks on overdue work.
    tokio::time::sleep(Duration::from_secs(10)).await;

    let stuck = "
        update orders.payments set next_poll_at = null, updated_at = now() - interval '1 h' where status = 'requires_payment';
        update orders.provider_events set applied_at = null, outcome = null, next_attempt_at = now() + interval '1 h',
            received_at = now() - interval '1 h';
        insert into orders.outbox (order_id, kind, next_attempt_at, created_at, attempts)
        select id, 'clear_cart', now() + interval '1 h', now() - interval '1 h', 60 from orders.orders where status = 'paid';
        update orders.orders set status = 'placing', rejection = null, lease_until = now(), recover_at = now() + interval '1 h',
            created_at = now() - interval '2 min'
        where status = 'rejected'";
    sqlx::raw_sql(stuck).execute(&db).await.unwrap();
    test.pay(&intent, Card::Visa).await;
    let before = Instant::now();
    let Repaired { done, report } = repair::run(&Logins::shared(&db.connect_options())).await.unwrap();

    let mut kinds = BTreeMap::new();
    for line in &done {
        *kinds.entry(line.split(' ').nth(1).unwrap()).or_insert(0) += 1;
    }
    let expected = [("clear_cart", 1), ("event", events), ("order", 1), ("payment", 1)];
    assert_eq!(kinds, BTreeMap::from(expected), "{done:?}");
    assert!(report.is_clean(), "after {:?}: {report}", before.elapsed());
    let order = ada.wait_for_order(&order, "paid").await;
    assert_eq!(payment_of(&order), "stripe completed");
    assert_eq!(grace.order(&paid).await["status"], "paid");
    assert_eq!(count("select count(*) from orders.orders where status = 'rejected'").await, 1);
    test.verify().await;
}
