//! Each committed event is in exactly one segment, and no change waits for the segments.

use std::time::Duration;

use bodega_audit::{Actor, Event, Subject};
use bodega_catalog::AUDIT;
use bodega_runtime::database::Pool;
use tokio::{task::JoinSet, time::timeout};

use super::{database, texts, verify};

/// The ids of the events in the segments, in their order.
const IN_SEGMENTS: &str =
    "select id::text from catalog.audit_segments s, unnest(s.event_ids) as id order by s.number, id";

fn event() -> Event {
    Event::new("product.updated", Actor::System).on(Subject::new("product", 1))
}

async fn record(db: &Pool) -> String {
    let (event, mut transaction) = (event(), db.begin().await.unwrap());
    let id = event.id().to_string();
    AUDIT.record(&mut transaction, event).await.unwrap();
    transaction.commit().await.unwrap();
    id
}

#[tokio::test]
async fn an_event_that_commits_late_is_in_a_later_segment() {
    let (database, db) = database().await;
    let (late, mut transaction) = (event(), db.begin().await.unwrap());
    let late_id = late.id().to_string();
    AUDIT.record(&mut transaction, late).await.unwrap();
    let early_id = record(&db).await;
    AUDIT.add_segment(&db).await.unwrap();
    assert_eq!(texts(&db, IN_SEGMENTS).await, std::slice::from_ref(&early_id));
    transaction.commit().await.unwrap();
    AUDIT.add_segment(&db).await.unwrap();
    AUDIT.add_segment(&db).await.unwrap();
    assert_eq!(texts(&db, IN_SEGMENTS).await, [early_id, late_id]);
    verify(&database).await;
}

#[tokio::test]
async fn an_event_exists_only_if_its_change_was_committed() {
    let (database, db) = database().await;
    let mut transaction = db.begin().await.unwrap();
    AUDIT.record(&mut transaction, event()).await.unwrap();
    transaction.rollback().await.unwrap();
    AUDIT.add_segment(&db).await.unwrap();
    assert_eq!(texts(&db, "select id::text from catalog.audit_events").await, Vec::<String>::new());
    assert_eq!(texts(&db, IN_SEGMENTS).await, Vec::<String>::new());
    verify(&database).await;
}

/// A worker that hangs in the middle of its statement, for example because its process is frozen.
#[tokio::test]
async fn recording_does_not_wait_for_the_worker() {
    let (database, db) = database().await;
    record(&db).await;
    let mut frozen = db.begin().await.unwrap();
    sqlx::query("delete from catalog.audit_pending").execute(&mut *frozen).await.unwrap();
    sqlx::query("select from catalog.audit_segments for update").execute(&mut *frozen).await.unwrap();
    timeout(Duration::from_secs(5), record(&db)).await.expect("not blocked");
    timeout(Duration::from_secs(5), AUDIT.add_segment(&db)).await.expect("not blocked").unwrap();
    assert_eq!(texts(&db, IN_SEGMENTS).await.len(), 1);
    frozen.rollback().await.unwrap();
    AUDIT.add_segment(&db).await.unwrap();
    assert_eq!(texts(&db, IN_SEGMENTS).await.len(), 2);
    verify(&database).await;
}

#[tokio::test]
async fn replicas_add_each_event_to_one_segment() {
    let (database, db) = database().await;
    let mut tasks = JoinSet::new();
    for _ in 0..3 {
        let db = db.clone();
        tasks.spawn(async move {
            for _ in 0..40 {
                record(&db).await;
                AUDIT.add_segment(&db).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    while AUDIT.add_segment(&db).await.unwrap() {}
    AUDIT.add_segment(&db).await.unwrap();
    let mut in_segments = texts(&db, IN_SEGMENTS).await;
    in_segments.sort_unstable();
    assert_eq!(in_segments, texts(&db, "select id::text from catalog.audit_events order by id").await);
    assert_eq!(in_segments.len(), 120);
    assert_eq!(texts(&db, "select event_id::text from catalog.audit_pending").await, Vec::<String>::new());
    verify(&database).await;
}
