//! `GET /api/admin/audit`.

use serde_json::{Value, json};

use crate::harness::{
    images::png,
    store::{PASSWORD, TestStore},
};

fn actions(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_what_admins_change() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let ada = store.register("ada").await;
    let category =
        admin.post("/api/categories", json!({"name": "Cups"})).await.expect(201).json["id"].clone();
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let product = format!("/api/products/{mug}");
    admin.patch(&product, json!({"price": "18.99", "stock": 7})).await.expect(200);
    admin.add_images(mug, &[&png()]).await.expect(201);
    admin.put(&format!("/api/categories/{category}"), json!({"name": "Mugs"})).await.expect(200);
    admin.delete(&format!("/api/categories/{category}")).await.expect(204);
    let order = ada.buy(mug, 2).await;
    admin.update_order_status(&order, "paid").await.expect(200);
    admin.update_order_status(&order, "cancelled").await.expect(200);
    admin.patch(&format!("/api/users/{}", ada.id()), json!({"disabled": true})).await.expect(200);
    admin.delete(&product).await.expect(204);

    let events = admin.all_pages(&format!("/api/admin/audit?actor={}&limit=3", admin.id())).await;
    assert_eq!(
        actions(&events),
        [
            "product.deleted",
            "user.updated",
            "order.status_changed",
            "order.status_changed",
            "category.deleted",
            "category.updated",
            "product.images_added",
            "product.updated",
            "product.created",
            "category.created",
            "session.started",
        ]
    );
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|one, other| one > other), "{ids:?}");
    for event in &events {
        assert_eq!(event["actor"]["id"], admin.id(), "{event}");
        assert_eq!(event["clientAddress"], "127.0.0.1", "{event}");
    }
    let updated = &events[7];
    assert_eq!(
        updated["subject"],
        json!({"kind": "product", "id": mug.to_string(), "pseudonym": mug.to_string()})
    );
    assert_eq!(updated["details"], json!({"changed": {"priceMinor": [1999, 1899], "stock": [5, 7]}}));
    assert_ne!(updated["beforeDigest"], updated["afterDigest"]);
    assert_eq!(updated["beforeDigest"], events[8]["afterDigest"]);
    assert_eq!(events[2]["details"], json!({"changed": {"status": ["paid", "cancelled"]}}));
    assert_eq!(events[1]["details"], json!({"changed": {"disabled": [false, true]}}));
    assert_eq!(events[1]["subject"]["id"], ada.id());
}

#[tokio::test]
async fn lists_the_security_of_accounts_but_not_what_customers_buy() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    let order = ada.buy(mug, 1).await;
    ada.post(&format!("/api/orders/{}/cancel", order["id"].as_str().unwrap()), json!({})).await.expect(200);
    let passwords = json!({"currentPassword": PASSWORD, "newPassword": "another mug of tea at six"});
    ada.post("/api/users/me/password", passwords).await.expect(204);
    ada.get("/api/products").await.expect(200);

    let events = store.admin().all_pages(&format!("/api/admin/audit?actor={}", ada.id())).await;
    assert_eq!(actions(&events), ["password.changed", "session.started", "user.registered"]);
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("@shop.example") && !text.contains("tea at"), "{text}");
    let about = store.admin().all_pages(&format!("/api/admin/audit?subject={}", ada.id())).await;
    assert_eq!(actions(&about), ["password.changed", "user.registered"]);
}

#[tokio::test]
async fn filters_by_service_action_and_time() {
    let store = TestStore::start().await;
    let admin = store.admin();
    admin.create_product("Mug", "19.99", 5).await;
    let created = &admin.get("/api/admin/audit?action=product.created").await.expect(200).items()[0].clone();
    let at = created["createdAt"].as_str().unwrap().replace('+', "%2B");
    for (query, expected) in [
        ("service=catalog".to_owned(), vec!["product.created"]),
        ("service=order".to_owned(), vec![]),
        ("service=identity&limit=1".to_owned(), vec!["session.started"]),
        (format!("from={at}"), vec!["product.created"]),
        (format!("to={at}&action=product.created"), vec![]),
        ("action=unknown".to_owned(), vec![]),
    ] {
        let found = admin.get(&format!("/api/admin/audit?{query}")).await.expect(200);
        assert_eq!(actions(found.items()), expected, "{query}");
    }
    for (query, field) in [
        ("service=cart".to_owned(), "service"),
        ("actor=x".to_owned(), "actor"),
        ("limit=0".to_owned(), "limit"),
        ("cursor=x".to_owned(), "cursor"),
        ("from=x".to_owned(), "from"),
        (format!("subject={}", "x".repeat(101)), "subject"),
        (format!("action={}", "x".repeat(101)), "action"),
        ("unknown=1".to_owned(), "unknown"),
    ] {
        admin.get(&format!("/api/admin/audit?{query}")).await.expect_field_error(400, field);
    }
    store.register("ada").await.get("/api/admin/audit").await.expect_problem(403, "admin_only");
    store.guest().get("/api/admin/audit").await.expect_problem(401, "unauthenticated");
}
