//! Events for other systems. Those that need a NATS server say so and pass if it is not installed.

use std::{collections::HashMap, future::pending, time::Duration};

use bodega_events::{
    EventArgs,
    testing::{NatsServer, assert_valid, types_by_aggregate},
};
use bodega_proto::order::v1::{
    Order,
    OrderStatus::{Cancelled, Completed, Confirmed, Paid, Shipped},
    PaymentStatus::Refunded,
};
use bodega_stripe_double::{Card, Outcome};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    stripe::StripeApp,
    test_app::{MUG, MUG_PRICE, PEN, TestApp, id},
};

/// Work is completed within this time once its upstreams are available.
const SOON: Duration = Duration::from_secs(10);

/// Returns the kinds of the recorded events of an order, in their order.
async fn recorded(app: &TestApp, order: &Order) -> Vec<String> {
    sqlx::query_scalar("select kind from orders.events where order_id = $1 order by position")
        .bind(id(order))
        .fetch_all(&app.db)
        .await
        .unwrap()
}

async fn unpublished(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from orders.events where published_at is null")
        .fetch_one(&app.db)
        .await
        .unwrap()
}

async fn wait_until_published(app: &TestApp) {
    let started = Instant::now();
    while unpublished(app).await > 0 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{} events are not published",
            unpublished(app).await
        );
        sleep(Duration::from_millis(50)).await;
    }
}

async fn place(app: &TestApp) -> Order {
    app.new_order(&[(MUG, 1)]).await
}

/// Places an order, and pays and ships it. Returns the types of its events.
async fn place_and_ship(app: &TestApp) -> (String, Vec<String>) {
    let order = place(app).await;
    app.update_status(&order.id, Paid).await.unwrap();
    app.update_status(&order.id, Shipped).await.unwrap();
    (order.id, types(&["placed", "paid", "shipped"]))
}

fn types(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| format!("bodega.order.{kind}.v1")).collect()
}

/// Ends the lease of a publisher, as time would.
async fn end_lease(app: &TestApp) {
    sqlx::query("update orders.event_publisher set lease_until = now()").execute(&app.db).await.unwrap();
}

#[tokio::test]
async fn each_change_records_its_event_once() {
    let app = TestApp::start().await;
    let shipped = place(&app).await;
    assert_eq!(recorded(&app, &shipped).await, ["placed"]);
    for status in [Confirmed, Paid, Shipped, Completed] {
        app.update_status(&shipped.id, status).await.unwrap();
    }
    assert_eq!(recorded(&app, &shipped).await, ["placed", "paid", "shipped"]);

    let cancelled = place(&app).await;
    app.update_status(&cancelled.id, Paid).await.unwrap();
    app.cancel(cancelled.user_id.parse().unwrap(), &cancelled.id).await.unwrap();
    assert_eq!(recorded(&app, &cancelled).await, ["placed", "paid", "cancelled", "refunded"]);

    // A repeated request, a rejected checkout and a rejected change record nothing.
    let user = app.user_with_cart(&[(MUG, 1)]);
    let first = app.place(user, "key").await.unwrap();
    app.place(user, "key").await.unwrap();
    app.update_status(&cancelled.id, Shipped).await.unwrap_err();
    let rejected = app.user_with_cart(&[(MUG, 1)]);
    app.place_expecting(rejected, "", MUG_PRICE + 1).await.unwrap_err();
    assert_eq!(recorded(&app, &first).await, ["placed"]);
    assert_eq!(unpublished(&app).await, 3 + 4 + 1);
}

#[tokio::test]
async fn a_payment_that_the_order_does_not_need_is_refunded_but_does_not_pay_it() {
    let app = StripeApp::start().await;
    app.stripe.pause_deliveries();
    let order = app.new_order(&[(MUG, 1)]).await;
    let intent = app.create_intent(&order).await.unwrap();
    app.stripe.confirm(&intent.client_secret, Card::Slow).await.unwrap();
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    app.stripe.settle_intent(&intent.id, Outcome::Succeeds);
    app.stripe.flush_deliveries();
    app.wait_for(&order, Cancelled, Refunded, SOON).await;
    assert_eq!(recorded(&app, &order).await, ["placed", "cancelled", "refunded"]);

    let paid = app.paid_order().await;
    assert_eq!(recorded(&app, &paid).await, ["placed", "paid"]);
}

#[tokio::test]
async fn old_events_are_deleted_unless_they_may_still_be_published() {
    let app = TestApp::start().await;
    let insert = "insert into orders.events (order_id, kind, occurred_at, published_at)
                  select gen_random_uuid(), 'placed', now() - make_interval(days => $1),
                         case when $2 then now() - make_interval(days => $1) end
                  from generate_series(1, $3)";
    let events = async |days: i32, published: bool, count: i32| {
        sqlx::query(insert).bind(days).bind(published).bind(count).execute(&app.db).await.unwrap();
    };
    let count = async || -> i64 {
        sqlx::query_scalar("select count(*) from orders.events").fetch_one(&app.db).await.unwrap()
    };
    let wait_for = async |expected: i64| {
        let started = Instant::now();
        while count().await != expected {
            assert!(started.elapsed() < SOON, "{} events instead of {expected}", count().await);
            sleep(Duration::from_millis(20)).await;
        }
    };

    // A replica publishes: only published events are deleted, in several batches.
    sqlx::query("update orders.event_publisher set lease_until = now()").execute(&app.db).await.unwrap();
    events(8, true, 2_500).await;
    events(8, false, 20).await;
    events(6, true, 30).await;
    let replica = app.replica().await;
    wait_for(50).await;
    replica.kill().await;

    // No replica has published for a week.
    sqlx::query("update orders.event_publisher set lease_until = now() - interval '8 days'")
        .execute(&app.db)
        .await
        .unwrap();
    let replica = app.replica().await;
    wait_for(30).await;
    replica.kill().await;
}

#[tokio::test]
async fn nats_that_cannot_be_reached_affects_no_order() {
    let args = EventArgs { nats_url: Some("nats://127.0.0.1:9".parse().unwrap()), ..EventArgs::default() };
    let app = TestApp::with_nats(args.nats().unwrap().unwrap()).await;
    for _ in 0..5 {
        place_and_ship(&app).await;
    }
    assert_eq!(unpublished(&app).await, 15);
}

#[tokio::test]
async fn events_match_their_schemas() {
    let Some(server) = NatsServer::start().await else { return };
    let app = TestApp::with_nats(server.nats()).await;
    let order = app.new_order(&[(MUG, 1), (PEN, 2)]).await;
    app.update_status(&order.id, Paid).await.unwrap();
    app.cancel(order.user_id.parse().unwrap(), &order.id).await.unwrap();
    place_and_ship(&app).await;

    let events = server.distinct_events(7).await;
    events.iter().for_each(assert_valid);
    let placed = &events[0];
    assert_eq!(placed["type"], "bodega.order.placed.v1");
    assert_eq!(placed["subject"], order.id);
    let lines = json!([
        { "productId": MUG, "name": "Mug", "priceMinor": 1000, "quantity": 1 },
        { "productId": PEN, "name": "Pen", "priceMinor": 250, "quantity": 2 },
    ]);
    let data = json!({
        "orderId": order.id, "userId": order.user_id, "totalMinor": 1500, "currency": "USD", "items": lines,
    });
    assert_eq!(placed["data"], data);
    let refunded = events.iter().find(|event| event["type"] == "bodega.order.refunded.v1").unwrap();
    assert_eq!(refunded["data"]["payment"]["amountMinor"], 1500);
    // Every event says no more about the user than the id.
    let text = Value::Array(events.clone()).to_string();
    assert!(!text.contains('@') && !text.contains("email"), "{text}");

    let mut invalid = placed.clone();
    invalid["data"]["totalMinor"] = json!("1500");
    std::panic::catch_unwind(|| assert_valid(&invalid)).unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_in_order_while_nats_stops_freezes_and_loses_its_data() {
    let Some(mut server) = NatsServer::stopped() else { return };
    let app = TestApp::with_nats(server.nats()).await;
    let _second = app.replica().await;
    let mut expected = HashMap::new();
    let place_some = async |expected: &mut HashMap<_, _>| {
        for _ in 0..10 {
            let (order, types) = place_and_ship(&app).await;
            expected.insert(order, types);
        }
    };
    // Away from the start.
    place_some(&mut expected).await;
    assert_eq!(unpublished(&app).await, 30);
    server.restart().await;
    place_some(&mut expected).await;
    // Killed, and started with its data.
    server.kill();
    place_some(&mut expected).await;
    server.restart().await;
    wait_until_published(&app).await;
    // Frozen for longer than an acknowledgement is waited for.
    server.freeze(true);
    place_some(&mut expected).await;
    sleep(Duration::from_secs(3)).await;
    assert!(unpublished(&app).await > 0);
    server.freeze(false);
    let events = server.distinct_events(expected.len() * 3).await;
    assert_eq!(types_by_aggregate(&events), expected);

    // Its data are lost: the stream is created again, and receives what happens from then on.
    wait_until_published(&app).await;
    server.kill();
    server.delete_data();
    server.restart().await;
    expected.clear();
    place_some(&mut expected).await;
    let events = server.distinct_events(expected.len() * 3).await;
    assert_eq!(types_by_aggregate(&events), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_killed_at_any_time_lose_no_event_and_keep_their_order() {
    let Some(mut server) = NatsServer::start().await else { return };
    let mut app = TestApp::start().await; // does not publish
    app.nats = Some(server.nats());
    let mut expected = HashMap::new();
    for round in 0..20 {
        // Two processes at a time, of which one has the lease, until it ends.
        let killed = |time| {
            app.killed_after(Duration::from_millis(time), Uuid::now_v7(), async |_| pending::<()>().await)
        };
        let place = async {
            let mut orders = Vec::new();
            for _ in 0..3 {
                orders.push(place_and_ship(&app).await);
                end_lease(&app).await;
            }
            orders
        };
        let (_, _, orders) = tokio::join!(killed(round * 31), killed(round * 47), place);
        expected.extend(orders);
        end_lease(&app).await;
        if round == 12 {
            server.kill();
            server.restart().await;
        }
    }
    assert!(!server.events().await.is_empty(), "some were published before a kill");
    let replica = app.replica().await;
    end_lease(&app).await;
    let events = server.distinct_events(expected.len() * 3).await;
    assert_eq!(types_by_aggregate(&events), expected);
    wait_until_published(&app).await;
    replica.kill().await;
}

#[tokio::test]
async fn a_replica_without_nats_leaves_the_events_to_the_others() {
    let Some(server) = NatsServer::start().await else { return };
    let mut app = TestApp::start().await;
    place_and_ship(&app).await;
    // Configured later: the recorded events are published.
    app.nats = Some(server.nats());
    let replica = app.replica().await;
    let events = server.distinct_events(3).await;
    assert_eq!(
        types_by_aggregate(&events).into_values().next().unwrap(),
        types(&["placed", "paid", "shipped"])
    );
    replica.kill().await;
}

#[tokio::test]
async fn events_are_published_to_a_server_that_requires_tls_and_credentials() {
    for (right, wrong) in [("shop:s3cret", "shop:wrong"), ("a_token_of_the_shop", "wrong")] {
        let Some(server) = NatsServer::start_secured(right).await else { return };
        let without_ca = EventArgs { nats_ca_file: None, ..server.args() };
        let with_wrong = EventArgs { nats_credentials: Some(wrong.parse().unwrap()), ..server.args() };
        let without = EventArgs { nats_credentials: None, ..server.args() };
        let mut app = TestApp::start().await;
        place_and_ship(&app).await;
        for args in [without_ca, with_wrong, without] {
            app.nats = Some(args.nats().unwrap().unwrap());
            end_lease(&app).await;
            let replica = app.replica().await;
            // Long enough for an attempt.
            sleep(Duration::from_secs(1)).await;
            replica.kill().await;
            assert_eq!((unpublished(&app).await, server.events().await.len()), (3, 0));
        }
        app.nats = Some(server.nats());
        end_lease(&app).await;
        let replica = app.replica().await;
        assert_eq!(server.distinct_events(3).await.len(), 3);
        replica.kill().await;
    }
}
