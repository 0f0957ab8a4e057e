//! Limits of rows: the cleanup of rejected checkouts, idempotency keys and provider events, and the rate limit of orders.

use std::time::Duration;

use bodega_order::SCHEMA;
use bodega_runtime::rate_limit::{Policy, limits};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::{Timestamp, Uuid};

use crate::test_app::TestApp;

const DAY: u64 = 24 * 3600;

/// Inserts a checkout with a line and a key. Returns its id, which contains its age.
async fn insert_checkout(db: &mut PgConnection, status: &str, age_days: u64) -> Uuid {
    let now = time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs();
    let id = Uuid::new_v7(Timestamp::from_unix_time(now - age_days * DAY, 0, 0, 0));
    let placed = status != "rejected";
    let sql = format!(
        "insert into {SCHEMA}.orders (id, user_id, cart_version, status, rejection, total_minor, currency, placed_at, created_at)
         select $1, gen_random_uuid(), 1, $2, case when not $3 then '{{}}'::jsonb end, case when $3 then 100 end,
                case when $3 then 'USD' end, case when $3 then t end, t
         from (select now() - make_interval(days => $4) as t) as age"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(status)
        .bind(placed)
        .bind(i32::try_from(age_days).unwrap())
        .execute(&mut *db)
        .await
        .unwrap();
    for sql in [
        "insert into orders.order_items (order_id, product_id, quantity, quoted_price_minor) values ($1, 1, 1, 100)",
        "insert into orders.idempotency_keys (user_id, key, order_id)
         select user_id, 'key', id from orders.orders where id = $1",
    ] {
        sqlx::query(sql).bind(id).execute(&mut *db).await.unwrap();
    }
    id
}

async fn insert_event(db: &mut PgConnection, id: &str, applied_days_ago: Option<i32>) {
    let sql = "insert into orders.provider_events
                   (provider, id, kind, own_account, intent_snapshot, received_at, next_attempt_at, applied_at, outcome)
               select 'stripe', $1, 'test', true, '{}', now() - interval '1 year',
                      case when $2 is null then now() + interval '1 day' end,
                      now() - make_interval(days => $2), case when $2 is not null then 'unknown_payment' end";
    sqlx::query(sql).bind(id).bind(applied_days_ago).execute(db).await.unwrap();
}

#[tokio::test]
async fn deletes_rejected_checkouts_old_keys_and_old_provider_events() {
    let mut app = TestApp::start().await;
    // In one transaction: the cleanup runs meanwhile.
    let mut db = app.db.begin().await.unwrap();
    let old = insert_checkout(&mut db, "rejected", 8).await;
    let recent = insert_checkout(&mut db, "rejected", 6).await;
    let latest = insert_checkout(&mut db, "rejected", 80).await;
    let pending_release = insert_checkout(&mut db, "rejected", 80).await;
    let order = insert_checkout(&mut db, "completed", 31).await;
    let recent_order = insert_checkout(&mut db, "completed", 29).await;
    let sql = "insert into orders.latest_checkouts (user_id, order_id)
               select user_id, id from orders.orders where id = $1";
    sqlx::query(sql).bind(latest).execute(&mut *db).await.unwrap();
    let sql = "insert into orders.outbox (order_id, kind, next_attempt_at, rejection)
               values ($1, 'release_stock', now(), 'of a test')";
    sqlx::query(sql).bind(pending_release).execute(&mut *db).await.unwrap();
    insert_event(&mut db, "old", Some(91)).await;
    insert_event(&mut db, "recent", Some(89)).await;
    insert_event(&mut db, "not_applied", None).await;
    db.commit().await.unwrap();

    app.restart().await;
    let exists = async |table: &str, id: Uuid| {
        let sql = format!("select count(*) from {SCHEMA}.{table} where order_id = $1");
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(id);
        count.fetch_one(&app.db).await.unwrap() > 0
    };
    let events = async || -> Vec<String> {
        let sql = "select id from orders.provider_events order by id";
        sqlx::query_scalar(sql).fetch_all(&app.db).await.unwrap()
    };
    let done = async {
        while exists("order_items", old).await
            || exists("idempotency_keys", order).await
            || events().await.len() > 2
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.expect("old rows are deleted");

    assert_eq!(events().await, ["not_applied", "recent"]);
    let mut ids: Vec<Uuid> =
        sqlx::query_scalar("select id from orders.orders").fetch_all(&app.db).await.unwrap();
    ids.sort_unstable();
    let mut kept = [recent, latest, pending_release, order, recent_order];
    kept.sort_unstable();
    assert_eq!(ids, kept);
    for (id, has_key) in [(recent, true), (recent_order, true), (order, false), (latest, false)] {
        assert!(exists("order_items", id).await);
        assert_eq!(exists("idempotency_keys", id).await, has_key, "{id}");
    }
}

#[tokio::test]
async fn the_orders_of_an_account_are_limited() {
    let app = TestApp::start().await;
    let user = Uuid::now_v7();
    let limit = limits::ORDERS;
    let mut attempts = 0;
    let policy = loop {
        // The cart is empty.
        let status = app.place(user, "").await.unwrap_err();
        if let Some(policy) = Policy::of(&status) {
            break policy;
        }
        attempts += 1;
        assert!(attempts < 10_000, "orders are not limited");
    };
    assert_eq!(policy.limit, limit.name);
    assert!((limit.burst..limit.burst + 20).contains(&attempts), "{attempts}");
    let status = app.place(Uuid::now_v7(), "").await.unwrap_err();
    assert_eq!(Policy::of(&status), None, "other accounts are not limited");
}
