//! `bodega verify` reports every violation, and nothing else.

mod repairs;
mod repairs_under_load;
mod sample_data;
mod violations;

use std::{collections::BTreeSet, time::Duration};

use bodega::{
    provision::Logins,
    verify::{self, CHECKS, Kind, Report},
};
use bodega_embedded_postgres::testing::TestDatabase;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, postgres::PgConnectOptions};

use self::{sample_data::sample_database, violations::VIOLATIONS};

/// The checks on overdue work.
const OVERDUE: [&str; 4] = [
    "no checkout is overdue",
    "no delivery is overdue",
    "no provider event is overdue",
    "no payment poll is overdue",
];

async fn report(database: &TestDatabase) -> Report {
    verify::run(&Logins::shared(&database.url().parse().unwrap())).await.unwrap()
}

fn violated_rules(report: &Report) -> BTreeSet<&'static str> {
    let violated = report.findings().iter().filter(|found| found.check.kind == Kind::Rule && found.count > 0);
    violated.map(|found| found.check.name).collect()
}

#[tokio::test]
async fn sample_data_passes_all_checks() {
    let report = report(&sample_database().await).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.findings().len(), CHECKS.len());
}

#[tokio::test]
async fn detects_every_violation() {
    for (rule, sql) in VIOLATIONS {
        let database = sample_database().await;
        let db = PgPool::connect(&database.url()).await.unwrap();
        let changed =
            sqlx::raw_sql(AssertSqlSafe(*sql)).execute(&db).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert!(changed.rows_affected() > 0, "changes nothing: {sql}");
        let report = report(&database).await;
        assert!(violated_rules(&report).contains(rule), "{rule}: {sql}\n{report}");
        assert!(!report.is_clean());
    }
}

/// Work is overdue only while the order service runs, counted from its start.
#[tokio::test]
async fn pending_work_is_overdue_only_while_the_order_service_runs() {
    let database = sample_database().await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    let overdue_work = "
        update orders.orders
        set status = 'placing', rejection = null, lease_until = now(), recover_at = now(),
            created_at = now() - interval '1 h'
        where status = 'rejected';
        insert into orders.outbox (order_id, kind, next_attempt_at, created_at)
        select id, 'clear_cart', now(), now() - interval '1 h' from orders.orders where status = 'completed';
        update orders.provider_events
        set applied_at = null, outcome = null, next_attempt_at = now(), received_at = now() - interval '1 h'
        where id = (select min(id) from orders.provider_events);
        update orders.payments set next_poll_at = now() - interval '1 h' where status = 'requires_payment'";
    sqlx::raw_sql(overdue_work).execute(&db).await.unwrap();

    let before = report(&database).await;
    assert!(before.is_clean(), "{before}");
    for pending in ["orders being placed", "deliveries to other services", "provider events to be applied"] {
        assert!(before.to_string().contains(&format!("pending  {pending}: 1")), "{pending}: {before}");
    }

    let order = database.url().parse::<PgConnectOptions>().unwrap().application_name("bodega-order");
    let _connection = PgConnection::connect_with(&order).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30_100)).await;
    let after = report(&database).await;
    assert_eq!(violated_rules(&after), BTreeSet::from(OVERDUE), "{after}");
}

#[tokio::test]
async fn a_refund_in_progress_is_pending() {
    let database = sample_database().await;
    let db = PgPool::connect(&database.url()).await.unwrap();
    let refund_in_progress = "
        delete from orders.order_events e using orders.payments p
        where p.id = e.payment_id and p.provider = 'stripe' and e.payment_status = 'refunded';
        update orders.payments set status = 'refund_pending', closed = false, next_poll_at = now()
        where provider = 'stripe' and status = 'refunded'";
    sqlx::raw_sql(refund_in_progress).execute(&db).await.unwrap();
    let report = report(&database).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.to_string().contains("pending  refunds in progress: 1"), "{report}");
}

#[test]
fn every_check_has_a_violation() {
    let rules: BTreeSet<_> =
        CHECKS.iter().filter(|check| check.kind == Kind::Rule).map(|check| check.name).collect();
    let covered: BTreeSet<_> = VIOLATIONS.iter().map(|(rule, _)| *rule).chain(OVERDUE).collect();
    assert_eq!(rules, covered);
}
