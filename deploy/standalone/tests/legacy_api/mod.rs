//! The legacy API at the root.

mod carts_and_orders;
mod products;

use reqwest::Method;
use serde_json::json;

use crate::harness::{
    responses::{USER, assert_fields, pluck},
    store::{PASSWORD, TestStore},
};

#[tokio::test]
async fn users_sign_up_log_in_and_log_out() {
    let store = TestStore::start().await;
    let guest = store.guest();
    let body = json!({"name": "Ada", "email": "ada@shop.example", "password": PASSWORD});
    let session = guest.post("/auth/signup", body.clone()).await.expect(201).json;
    assert_fields(&session, "user token tokenType expiresIn refreshToken");
    assert_fields(&session["user"], USER);
    assert_eq!(session["user"]["role"], "user");
    guest.post("/auth/signup", body).await.expect_problem(409, "email_taken");

    let body = json!({"email": "ada@shop.example", "password": PASSWORD});
    let ada = guest.clone().signed_in(guest.post("/auth/login", body).await.expect(200).json);
    assert_eq!(ada.token().split('.').count(), 3, "a JWT");
    ada.get("/cart").await.expect(200);
    ada.post_empty("/auth/logout").await.expect(204);
    ada.get("/cart").await.expect_problem(401, "session_ended");
    let body = json!({"email": "ada@shop.example", "password": "not the password"});
    guest.post("/auth/login", body).await.expect_problem(401, "invalid_credentials");
}

/// `Idempotency-Key` and `If-Match` work as under `/api`.
#[tokio::test]
async fn supports_idempotency_keys_and_if_match() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);
    let place = || ada.send(ada.request(Method::POST, "/order").header("idempotency-key", "a-key"));
    let order = place().await.expect(201).json;
    assert_eq!(place().await.expect(201).json, order);
    ada.post("/order", json!({"expectedTotal": 1})).await.expect_problem(409, "empty_cart");

    let path = format!("/products/{mug}");
    let etag = store.guest().get(&path).await.expect(200).header("etag").to_owned();
    let put = |etag: &str| {
        admin.send(admin.request(Method::PUT, &path).header("if-match", etag).json(&json!({"price": 5})))
    };
    put(&etag).await.expect(200);
    put(&etag).await.expect_problem(412, "version_mismatch");
    let delete = admin.request(Method::DELETE, &path).header("if-match", etag);
    admin.send(delete).await.expect_problem(412, "version_mismatch");
    store.verify().await;
}

#[tokio::test]
async fn lists_are_arrays_with_a_link_to_the_next_page() {
    let store = TestStore::start().await;
    let admin = store.admin();
    for name in ["a", "b", "c", "d", "e"] {
        let product = admin.create_product(name, "1", 9).await;
        store.register(&format!("user-{name}")).await.buy(product, 1).await;
    }
    for (list, id) in [("/products", "id"), ("/orders", "orderId")] {
        let all = admin.get(list).await.expect(200);
        assert_eq!((all.items().len(), all.header("link")), (5, ""), "{list}");
        let (mut path, mut ids, mut pages) = (format!("{list}?limit=2"), Vec::new(), 0);
        loop {
            let page = admin.get(&path).await.expect(200);
            ids.extend(page.items().iter().map(|row| row[id].clone()));
            pages += 1;
            let Some(link) = Some(page.header("link")).filter(|link| !link.is_empty()) else { break };
            let next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(r#">; rel="next""#));
            path = next.unwrap_or_else(|| panic!("{link}")).to_owned();
            assert!(path.starts_with(&format!("{list}?limit=2&cursor=")), "{path}");
        }
        assert_eq!((pages, ids.iter().collect::<Vec<_>>()), (3, pluck(all.items(), id)), "{list}");
    }
}

#[tokio::test]
async fn both_apis_show_the_same_data() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let body = json!({"name": "Mug", "price": 2.5, "quantity": 5, "category": "Kitchen"});
    let mug = admin.post("/products", body).await.expect(201).json;
    let canonical = admin.get(&format!("/api/products/{}", mug["id"])).await.expect(200).json;
    assert_eq!((&canonical["stock"], &canonical["category"]), (&mug["quantity"], &mug["category"]));

    let ada = store.register("ada").await;
    ada.add_to_cart(mug["id"].as_i64().unwrap(), 2).await.expect(200);
    assert_eq!(ada.get("/cart").await.expect(200).json["totalPrice"], 5.0);
    let order = ada.place_order().await.expect(201).json;
    let path = format!("/order/{}", order["id"].as_str().unwrap());
    let legacy = ada.get(&path).await.expect(200).json;
    assert_eq!((&legacy["orderId"], &legacy["totalPrice"]), (&order["id"], &order["totalAmount"]));
    let left = store.guest().get(&format!("/products/{}", mug["id"])).await.expect(200).json;
    assert_eq!(left["quantity"], 3);
}
