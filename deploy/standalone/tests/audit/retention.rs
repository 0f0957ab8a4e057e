//! Expired segments are deleted as a whole, and the rest of the chain stays valid.

use std::time::Duration;

use bodega::provision::Logins;
use bodega_audit::{Actor, Event, Subject};
use bodega_catalog::AUDIT;
use uuid::Uuid;

use super::{database, texts, verify, without_triggers};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes all segments, their events and pseudonyms older, with the hashes that they would have had.
const AGE: &str = "
    update catalog.audit_events set created_at = created_at - interval '100 days';
    update catalog.audit_pseudonyms set created_at = created_at - interval '100 days';
    update catalog.audit_segments set created_at = created_at - interval '100 days',
        event_hashes = (
            select array_agg(catalog.audit_event_hash(e) order by e.id) from catalog.audit_events e where e.id = any(event_ids)
        );
    do $$
    declare
        segment record;
        last bytea := '';
    begin
        for segment in select * from catalog.audit_segments order by number loop
            update catalog.audit_segments set previous_hash = last,
                hash = catalog.audit_segment_hash(number, created_at, last, event_hashes)
            where number = segment.number returning hash into last;
        end loop;
    end
    $$";

#[tokio::test]
async fn expired_segments_are_deleted_with_their_events_and_pseudonyms() {
    let (database, db) = database().await;
    let record = async |user: Uuid| {
        let mut transaction = db.begin().await.unwrap();
        let event = Event::new("product.updated", Actor::User(user)).on(Subject::new("product", 1));
        AUDIT.record(&mut transaction, event).await.unwrap();
        transaction.commit().await.unwrap();
        AUDIT.add_segment(&db).await.unwrap();
    };
    let [former, current] = [Uuid::now_v7(), Uuid::now_v7()];
    record(former).await;
    record(former).await;
    without_triggers(&database, AGE).await;
    record(current).await;
    verify(&database).await;

    assert!(!AUDIT.delete_expired(&db, DAY * 200).await.unwrap(), "nothing is that old");
    assert!(AUDIT.delete_expired(&db, DAY * 90).await.unwrap());
    assert!(!AUDIT.delete_expired(&db, DAY * 90).await.unwrap());
    AUDIT.add_segment(&db).await.unwrap();
    let actions = texts(&db, "select action from catalog.audit_events order by id").await;
    assert_eq!(actions, ["product.updated", "audit.expired"]);
    let users = texts(&db, "select value from catalog.audit_pseudonyms").await;
    assert_eq!(users, [current.to_string()]);
    assert_eq!(
        texts(&db, "select number::text from catalog.audit_segments order by number").await,
        ["3", "4"]
    );
    verify(&database).await;

    without_triggers(&database, "delete from catalog.audit_segments where number = 3").await;
    let owners = Logins::shared(&database.url().parse().unwrap());
    let report = bodega::verify::run(&owners).await.unwrap();
    assert!(report.to_string().contains("segment 4 does not follow segment 2"), "{report}");
}

#[tokio::test]
async fn events_of_the_last_30_days_cannot_be_deleted() {
    let (_database, db) = database().await;
    let error = AUDIT.delete_expired(&db, DAY * 29).await.unwrap_err();
    assert!(error.to_string().contains("at least 30 days"), "{error}");
    for statement in [
        "delete from identity.audit_events",
        "update identity.audit_events set action = 'x.changed'",
        "truncate identity.audit_events",
    ] {
        let error = sqlx::query(statement).execute(&db).await.unwrap_err();
        assert!(error.to_string().contains("audit_events is append-only"), "{statement}: {error}");
    }
}
