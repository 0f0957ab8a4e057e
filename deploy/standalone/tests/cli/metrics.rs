//! What Prometheus reads from a running store.

use std::{collections::HashSet, net::TcpListener, time::Duration};

use bodega_embedded_postgres::testing::{self, TempDir};
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::harness::{
    binary::{RunningStore, bodega, start_bodega},
    client::Client,
};

/// Longer than the interval of the samples.
const SAMPLED: Duration = Duration::from_secs(60);

/// A store, its metrics, and its database.
async fn start(dir: &TempDir) -> (RunningStore, Client, PgPool) {
    let database = testing::database("empty", |_| async { Ok(()) }).await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut up = bodega(dir.path(), &["--demo=false"]);
    let store = start_bodega(up.env("DATABASE_URL", database.url()).env("BODEGA_ADMIN_HTTP", &address)).await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    (store, Client::at(&format!("http://{address}")), db)
}

async fn scrape(metrics: &Client) -> String {
    metrics.get("/metrics").await.expect(200).text
}

/// The value of a time series, by its name with its labels.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// The names of the time series, with their labels.
fn series(text: &str) -> HashSet<String> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test]
async fn shows_what_happens_and_what_waits() {
    let dir = TempDir::new("metrics").unwrap();
    let (store, metrics, db) = start(&dir).await;
    let admin = store.admin().await;
    let mug = admin.create_product("Mug", "19.99", 7).await;
    admin.create_product("Pen", "1.00", 0).await;
    let order = admin.buy(mug, 3).await;
    let id = order["id"].as_str().unwrap();
    // A confirmed order does not expire, so its older payment is not one of a pending order.
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "insert into orders.outbox (order_id, kind, next_attempt_at, created_at)
         values ('{id}', 'release_stock', now() + interval '1 h', now() - interval '300 s');
         insert into orders.orders (id, user_id, cart_version, status, lease_until, recover_at, created_at)
         values (gen_random_uuid(), gen_random_uuid(), 1, 'placing', now() + interval '1 h', now() + interval '1 h',
                 now() - interval '100 s');
         insert into orders.orders (id, user_id, cart_version, status, total_minor, currency, placed_at)
         values ('00000000-0000-7000-8000-000000000001', gen_random_uuid(), 1, 'confirmed', 1, 'USD', now());
         insert into orders.payments (id, order_id, provider, status, amount_minor, currency, next_poll_at, created_at)
         select gen_random_uuid(), order_id, 'stripe', 'requires_payment', 1, 'USD', now() + interval '1 h', now() - age
         from (values ('{id}'::uuid, interval '200 s'),
                      ('00000000-0000-7000-8000-000000000001', interval '5000 s')) as open (order_id, age);
         insert into orders.payment_reviews (payment_id, order_id, provider, reason, created_at)
         values (gen_random_uuid(), gen_random_uuid(), 'stripe', 'order_missing', now() - interval '400 s');
         insert into orders.payment_reviews
             (payment_id, order_id, provider, reason, created_at, resolution, resolved_by, resolved_at)
         values (gen_random_uuid(), gen_random_uuid(), 'stripe', 'order_missing', now() - interval '9000 s',
                 'completed', gen_random_uuid(), now())"
    )))
    .execute(&db)
    .await
    .unwrap();

    let deadline = Instant::now() + SAMPLED;
    let text = loop {
        let text = scrape(&metrics).await;
        if value(&text, "outbox_oldest_seconds").is_some_and(|age| age >= 300.0)
            && value(&text, "stock_low_products") == Some(1.0)
        {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        sleep(Duration::from_millis(500)).await;
    };
    let of = |series: &str| value(&text, series).unwrap_or_else(|| panic!("{series} in {text}"));
    assert!((100.0..200.0).contains(&of("orders_placing_oldest_seconds")), "{text}");
    for (series, age) in [
        ("payments_of_pending_orders_oldest_seconds", 200.0),
        ("payments_unsettled_oldest_seconds{status=\"requires_payment\"}", 5000.0),
        ("payment_reviews_open_oldest_seconds", 400.0),
    ] {
        assert!((age..age + 100.0).contains(&of(series)), "{series}: {text}");
    }
    for (series, expected) in [
        ("orders_total{outcome=\"placed\"}", 1.0),
        ("orders_total{outcome=\"cancelled\"}", 0.0),
        ("checkout_rejections_total{code=\"out_of_stock\"}", 0.0),
        ("order_value_minor_total{currency=\"USD\"}", 5997.0),
        ("outbox_due{kind=\"clear_cart\"}", 0.0),
        ("outbox_rejected", 0.0),
        ("payments_unsettled{status=\"processing\"}", 0.0),
        ("payments_unsettled{status=\"requires_payment\"}", 2.0),
        ("payment_reviews_open", 1.0),
        ("stock_out_products", 1.0),
        ("stock_reserved_units_total", 3.0),
        ("sampler_failures_total{sampler=\"backlog\"}", 0.0),
        ("sampler_failures_total{sampler=\"stock\"}", 0.0),
        ("revocations_age_seconds", 0.0),
        ("db_pool_max{pool=\"bodega-order\"}", of("db_pool_max{pool=\"bodega-cart\"}")),
    ] {
        assert_eq!(of(series), expected, "{series}");
    }
    for part in [
        "build_info{version=\"",
        "process_resident_memory_bytes ",
        "http_server_duration_seconds_bucket{method=\"POST\",route=\"/api/orders\",status=\"201\",le=\"0.0001\"}",
        "rpc_client_duration_seconds_count{service=\"order\",method=\"/bodega.order.v1.OrderService/PlaceOrder\",code=\"Ok\"} 1",
        "rpc_server_duration_seconds_count{service=\"order\",method=\"/bodega.order.v1.OrderService/PlaceOrder\",code=\"Ok\"} 1",
        "# HELP outbox_oldest_seconds Age",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let undescribed = series(&text).into_iter().filter(|series| {
        let name = series.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        ![Some(name), base].into_iter().flatten().any(|name| text.contains(&format!("# HELP {name} ")))
    });
    assert_eq!(undescribed.collect::<Vec<_>>(), [""; 0], "every metric has a help text");
    assert!(store.process.terminate().await.success());
}

#[tokio::test]
async fn unknown_paths_and_methods_create_no_time_series() {
    let dir = TempDir::new("series").unwrap();
    let (store, metrics, _) = start(&dir).await;
    let guest = &store.guest;
    let attack = async |numbers: std::ops::Range<u32>| {
        let requests = stream::iter(numbers).map(|number| async move {
            let method = match number % 3 {
                0 => Method::GET,
                1 => Method::POST,
                _ => Method::from_bytes(format!("M{number}").as_bytes()).unwrap(),
            };
            let path = match number % 4 {
                0 => format!("/api/products/{number}/x{number}"),
                1 => format!("/api/orders/{number}"),
                _ => format!("/p{number}?q={number}"),
            };
            guest.send(guest.request(method, &path)).await.status
        });
        requests.buffer_unordered(16).collect::<HashSet<_>>().await
    };
    attack(0..200).await;
    let before = series(&scrape(&metrics).await);
    assert!(!attack(200..10_200).await.contains(&200));
    let after = series(&scrape(&metrics).await);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(store.process.terminate().await.success());
}
