//! A deleted user is erased in all audit logs, and the chains stay valid.

use bodega_runtime::{database::Pool, transport::Transport};
use tokio_util::sync::CancellationToken;

use super::texts;
use crate::harness::store::{JWT_SECRET_KEY, TestStore, email_of, eventually};

#[tokio::test]
async fn a_deleted_admin_is_erased_in_all_logs() {
    let store = TestStore::start().await;
    let grace = store.register("grace").await;
    let id = grace.id().to_owned();
    store.admin().patch(&format!("/api/users/{id}"), serde_json::json!({"role": "admin"})).await.expect(200);
    let grace = store.guest().sign_in(&email_of("grace")).await;
    grace.create_product("Mug", "19.99", 5).await;
    let of_grace = format!("/api/admin/audit?actor={id}");
    let before = store.admin().get(&of_grace).await.expect(200);
    let actions: Vec<_> = before.items().iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["product.created", "session.started", "session.started", "user.registered"]);
    assert!(before.items().iter().all(|event| event["clientAddress"] == "127.0.0.1"), "{before:?}");
    let pseudonym = before.items()[0]["actor"]["pseudonym"].clone();

    store.admin().delete(&format!("/api/users/{id}")).await.expect(204);
    let db = Pool::new(store.owner(), 2, std::time::Duration::from_secs(30));
    let identity_settings = bodega_identity::Settings::new(JWT_SECRET_KEY.parse().unwrap());
    let media = bodega_media::Media::local(&store.image_dir());
    let identity =
        bodega_identity::start(db.clone(), identity_settings, media, CancellationToken::new()).await.unwrap();
    let transport = Transport::unauthenticated(identity.routes());
    bodega_catalog::AUDIT.erase_deleted_users(&db, &transport).await.unwrap();
    identity.stop().await;

    assert_eq!(store.admin().get(&of_grace).await.expect(200).items().len(), 0);
    let all = store.admin().all_pages("/api/admin/audit?limit=7").await;
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains(&id), "{text}");
    let event = all.iter().find(|event| event["action"] == "product.created").unwrap();
    assert_eq!(event["actor"], serde_json::json!({"kind": "user", "id": null, "pseudonym": pseudonym}));
    assert_eq!(event["clientAddress"], serde_json::Value::Null);
    for query in [
        "select value from identity.audit_pseudonyms where user_id = '{id}' or value = '{id}'",
        "select value from catalog.audit_pseudonyms where user_id = '{id}' or value = '{id}'",
    ] {
        let query: &'static str = query.replace("{id}", &id).leak();
        assert_eq!(texts(&db, query).await, Vec::<String>::new(), "{query}");
    }
    eventually("all events are in segments", async || {
        texts(&db, "select event_id::text from identity.audit_pending union all select event_id::text from catalog.audit_pending")
            .await
            .is_empty()
    })
    .await;
    store.verify().await;
}
