//! Failed logins are counted per account, client and hour.

use bodega_runtime::database::Pool;
use serde_json::{Value, json};

use super::texts;
use crate::harness::store::{TestStore, email_of, eventually};

const FAILED: &str = "/api/admin/audit?action=login.failed";

#[tokio::test]
async fn failed_logins_are_counted_per_account_and_client() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let fail = async |login: String, password: &str| {
        let body = json!({"login": login, "password": password});
        store.guest().post("/api/auth/login", body).await.expect_problem(401, "invalid_credentials");
    };
    for _ in 0..3 {
        fail(email_of("ada"), "not her password").await;
    }
    fail("unknown@shop.example".to_owned(), "some password").await;
    fail("another".to_owned(), "some password").await;

    let failed = store.admin().get(FAILED).await.expect(200);
    let [unknown, known] = failed.items() else { panic!("{failed:?}") };
    for event in [unknown, known] {
        assert_eq!(event["clientAddress"], "127.0.0.1");
        assert_eq!(event["actor"], json!({"kind": "anonymous", "id": null, "pseudonym": null}));
    }
    assert_eq!((&known["subject"]["id"], &known["details"]["failures"]), (&json!(ada.id()), &json!(3)));
    assert_eq!((&unknown["subject"], &unknown["details"]["failures"]), (&Value::Null, &json!(2)));
    let of_ada = store.admin().get(&format!("{FAILED}&subject={}", ada.id())).await.expect(200);
    assert_eq!(of_ada.items(), std::slice::from_ref(known));
    assert!(!failed.text.contains("unknown@"), "what was typed is not stored: {failed:?}");
}

#[tokio::test]
async fn the_counts_of_a_past_hour_become_events() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let body = json!({"login": email_of("ada"), "password": "not her password"});
    for _ in 0..2 {
        store.guest().post("/api/auth/login", body.clone()).await.expect_problem(401, "invalid_credentials");
    }
    let db = Pool::new(store.owner(), 2, std::time::Duration::from_secs(30));
    let age = "update identity.failed_logins set hour = hour - interval '1 hour'";
    sqlx::query(age).execute(&db).await.unwrap();
    assert!(!bodega_identity::record_failed_logins(&db).await.unwrap());
    assert_eq!(texts(&db, "select client from identity.failed_logins").await, Vec::<String>::new());

    let failed = store.admin().get(FAILED).await.expect(200);
    let [event] = failed.items() else { panic!("{failed:?}") };
    assert_eq!((&event["subject"]["id"], &event["details"]["failures"]), (&json!(ada.id()), &json!(2)));
    assert_eq!(event["clientAddress"], "127.0.0.1");
    eventually("the event is in a segment", async || {
        texts(&db, "select event_id::text from identity.audit_pending").await.is_empty()
    })
    .await;
    store.verify().await;
}

/// A client that tries many accounts does not fill the table.
#[tokio::test]
async fn failures_at_many_accounts_are_counted_together() {
    let store = TestStore::start().await;
    let db = Pool::new(store.owner(), 2, std::time::Duration::from_secs(30));
    let users =
        "insert into identity.users (id, name, name_normalized, email, email_normalized, password_hash)
        select gen_random_uuid(), 'U', 'u', n || '@x.example', n || '@x.example', (select password_hash from identity.users limit 1)
        from generate_series(1, 30) as n";
    sqlx::query(users).execute(&db).await.unwrap();
    for n in 1..=30 {
        let body = json!({"login": format!("{n}@x.example"), "password": "a wrong password"});
        store.guest().post("/api/auth/login", body).await.expect_problem(401, "invalid_credentials");
    }
    let counts = texts(&db, "select failures::text from identity.failed_logins order by failures").await;
    assert_eq!(counts.len(), 21, "{counts:?}");
    assert_eq!(counts[20], "10");
}
