//! The legacy API at the root.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields, pluck},
    store::{PASSWORD, TestStore, email_of},
};

const PRODUCT: &str = "id name price description quantity category imageUrl";
const CART: &str = "products totalPrice";
const CART_LINE: &str = "productId name price quantity subtotal imageUrl";
const ORDER: &str = "orderId userId products totalPrice status createdAt updatedAt";
const ORDER_LINE: &str = "productId name price quantity";

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

#[tokio::test]
async fn admins_create_read_update_and_delete_products() {
    let store = TestStore::start().await;
    let (admin, guest) = (store.admin(), store.guest());
    let body = json!({
        "name": "Mug", "price": 19.99, "description": "Holds 300 ml.", "quantity": 5, "category": "Kitchen",
        "imageUrl": "/mug.jpg"
    });
    let created = admin.post("/products", body).await.expect(201);
    assert_fields(&created.json, PRODUCT);
    assert_fields(&created.json["category"], "id name");
    assert!(created.text.contains(r#""price":19.99"#), "{created:?}");
    assert_eq!((&created.json["quantity"], &created.json["imageUrl"]), (&json!(5), &json!("/mug.jpg")));
    assert_eq!(created.json["category"]["name"], "Kitchen");
    let path = format!("/products/{}", created.json["id"]);
    assert_eq!(created.header("location"), path);

    assert_eq!(guest.get(&path).await.expect(200).json, created.json);
    assert_eq!(guest.get("/products").await.expect(200).json, json!([created.json]));

    let changed = admin.put(&path, json!({"price": "9.50", "quantity": 60})).await.expect(200).json;
    assert_eq!((&changed["price"], &changed["quantity"]), (&json!(9.5), &json!(60)));
    for field in ["id", "name", "description", "category", "imageUrl"] {
        assert_eq!(changed[field], created.json[field], "unchanged: {field}");
    }
    let bare = admin.put(&path, json!({"category": null, "imageUrl": null, "description": ""})).await;
    assert_eq!((&bare.json["category"], &bare.json["imageUrl"]), (&Value::Null, &Value::Null));

    admin.delete(&path).await.expect(204);
    guest.get(&path).await.expect_problem(404, "product_not_found");
    assert_eq!(guest.get("/products").await.expect(200).json, json!([]));
    admin.put(&path, json!({"price": 1})).await.expect_problem(404, "product_not_found");
    admin.delete(&path).await.expect_problem(404, "product_not_found");
    store.verify().await;
}

#[tokio::test]
async fn only_admins_write_products() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/products/{mug}");
    let body = json!({"name": "Pot", "price": 1, "quantity": 1});
    for (client, status, code) in
        [(store.guest().clone(), 401, "unauthenticated"), (store.register("ada").await, 403, "admin_only")]
    {
        client.post("/products", body.clone()).await.expect_problem(status, code);
        client.put(&path, json!({"price": 1})).await.expect_problem(status, code);
        client.delete(&path).await.expect_problem(status, code);
    }
    let products = store.guest().get("/products").await.expect(200);
    assert_eq!(pluck(products.items(), "price"), [19.99]);
}

/// The legacy API has no category routes.
#[tokio::test]
async fn accepts_a_category_by_id_or_name_and_creates_new_names() {
    let store = TestStore::start().await;
    let admin = store.admin();
    let create = async |category: Value| {
        admin.post("/products", json!({"name": "Mug", "price": 1, "quantity": 1, "category": category})).await
    };
    let kitchen = create(json!("Kitchen")).await.expect(201).json["category"].clone();
    assert_eq!(create(json!("kITCHEN")).await.expect(201).json["category"], kitchen, "in any case");
    assert_eq!(create(kitchen["id"].clone()).await.expect(201).json["category"], kitchen);
    let none = create(Value::Null).await.expect(201).json;
    assert_eq!(none["category"], Value::Null);
    create(json!(999)).await.expect_field_error(422, "category");
    create(json!("")).await.expect_field_error(422, "category");
    create(json!("a\nb")).await.expect_field_error(422, "category");
    create(json!("x".repeat(101))).await.expect_field_error(422, "category");
    create(json!({"id": 1})).await.expect_field_error(422, "category");

    let path = format!("/products/{}", none["id"]);
    let garden = admin.put(&path, json!({"category": "Garden"})).await.expect(200).json;
    assert_eq!(garden["category"]["name"], "Garden");
    let categories = admin.get("/api/categories").await.expect(200);
    let counts: Vec<_> = categories.items().iter().map(|it| (&it["name"], &it["productCount"])).collect();
    assert_eq!(counts, [(&json!("Kitchen"), &json!(3)), (&json!("Garden"), &json!(1))]);
}

/// Errors use the field names of the legacy API.
#[tokio::test]
async fn errors_use_legacy_field_names() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    for (field, value) in [
        ("quantity", json!(-1)),
        ("quantity", json!("5")),
        ("price", json!(-1)),
        ("price", json!(19.999)),
        ("name", json!("")),
        ("description", json!("x".repeat(10_001))),
        ("imageUrl", json!("javascript:alert(1)")),
        ("stock", json!(1)),
    ] {
        let mut body = json!({"name": "Mug", "price": 1, "quantity": 1});
        body[field] = value.clone();
        let rejected = store.admin().post("/products", body).await.expect_field_error(422, field);
        assert_eq!(rejected.code(), "invalid_field");
        let path = format!("/products/{mug}");
        store.admin().put(&path, json!({ field: value })).await.expect_field_error(422, field);
    }
}

#[tokio::test]
async fn adds_shows_updates_and_removes_cart_items() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 50).await;
    let pot = store.admin().create_product("Pot", "0.1", 50).await;
    let ada = store.register("ada").await;
    assert_eq!(ada.get("/cart").await.expect(200).json, json!({"products": [], "totalPrice": 0.0}));

    ada.post("/cart", json!({"productId": mug})).await.expect(200);
    ada.post("/cart", json!({"productId": pot, "quantity": 3})).await.expect(200);
    let cart = ada.post("/cart", json!({"productId": mug, "quantity": 2})).await.expect(200);
    assert_fields(&cart.json, CART);
    let line = &cart.json["products"][0];
    assert_fields(line, CART_LINE);
    assert_eq!(
        *line,
        json!({"productId": mug, "name": "Mug", "price": 19.99, "quantity": 3, "subtotal": 59.97, "imageUrl": null})
    );
    assert!(
        cart.text.contains(r#""subtotal":0.30"#) && cart.text.contains(r#""totalPrice":60.27"#),
        "{cart:?}"
    );
    assert_eq!(ada.get("/cart").await.expect(200).json, cart.json);

    let cart = ada.put(&format!("/cart/{mug}"), json!({"quantity": 1})).await.expect(200).json;
    assert_eq!((&cart["products"][0]["quantity"], &cart["totalPrice"]), (&json!(1), &json!(20.29)));
    let cart = ada.delete(&format!("/cart/{mug}")).await.expect(200).json;
    assert_eq!(pluck(cart["products"].as_array().unwrap(), "productId"), [pot]);
    let cart = ada.put(&format!("/cart/{pot}"), json!({"quantity": 0})).await.expect(200).json;
    assert_eq!(cart["products"], json!([]));

    ada.put(&format!("/cart/{pot}"), json!({"quantity": 1})).await.expect_problem(404, "item_not_found");
    ada.delete(&format!("/cart/{pot}")).await.expect_problem(404, "item_not_found");
    ada.post("/cart", json!({"productId": 999})).await.expect_problem(404, "product_not_found");
    ada.post("/cart", json!({"productId": mug, "quantity": 0})).await.expect_field_error(422, "quantity");
}

/// Legacy carts are for signed-in users only; a cart token is ignored.
#[tokio::test]
async fn carts_and_orders_require_a_token() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let token = store.guest().add_to_cart(mug, 1).await.expect(200).header("x-cart-token").to_owned();
    let guest = store.guest().clone().with("x-cart-token", &token);
    let path = format!("/cart/{mug}");
    for response in [
        guest.get("/cart").await,
        guest.post("/cart", json!({"productId": mug})).await,
        guest.put(&path, json!({"quantity": 2})).await,
        guest.delete(&path).await,
        guest.post_empty("/order").await,
        guest.get("/orders").await,
        guest.get("/order/0197f0c5-b3d8-71e2-9d43-52b8f6a0c911").await,
    ] {
        assert_eq!(response.expect_problem(401, "unauthenticated").header("www-authenticate"), "Bearer");
    }
    assert_eq!(guest.cart_lines().await, [(mug, 1)]);
}

#[tokio::test]
async fn users_place_and_read_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let ada = store.register("ada").await;
    ada.post_empty("/order").await.expect_problem(409, "empty_cart");
    ada.post("/cart", json!({"productId": mug, "quantity": 2})).await.expect(200);
    let placed = ada.post_empty("/order").await.expect(201);
    let order = &placed.json;
    assert_fields(order, ORDER);
    assert_fields(&order["products"][0], ORDER_LINE);
    assert_eq!(order["userId"], ada.id());
    assert_eq!(order["products"], json!([{"productId": mug, "name": "Mug", "price": 19.99, "quantity": 2}]));
    assert!(placed.text.contains(r#""totalPrice":39.98"#), "{placed:?}");
    assert_eq!((&order["status"], &order["createdAt"]), (&json!("pending"), &order["updatedAt"]));
    let path = format!("/order/{}", order["orderId"].as_str().unwrap());
    assert_eq!(placed.header("location"), path);
    assert_eq!(ada.get("/cart").await.expect(200).json["products"], json!([]));
    assert_eq!(ada.get(&path).await.expect(200).json, *order);
    assert_eq!(store.admin().get(&path).await.expect(200).json, *order);
    store.register("grace").await.get(&path).await.expect_problem(404, "order_not_found");

    let canonical = format!("/api/orders/{}", order["orderId"].as_str().unwrap());
    for status in ["confirmed", "shipped"] {
        store.admin().patch(&canonical, json!({"status": status})).await.expect(200);
        let moved = ada.get(&path).await.expect(200).json;
        assert_eq!(moved["status"], status);
        assert!(moved["updatedAt"].as_str() > order["updatedAt"].as_str(), "{moved}");
    }
    store.verify().await;
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
    let seen = store.guest().get(&path).await.expect(200).header("etag").to_owned();
    let put = |tag: &str| {
        admin.send(admin.request(Method::PUT, &path).header("if-match", tag).json(&json!({"price": 5})))
    };
    put(&seen).await.expect(200);
    put(&seen).await.expect_problem(412, "version_mismatch");
    let delete = admin.request(Method::DELETE, &path).header("if-match", seen);
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
        let (mut path, mut seen, mut pages) = (format!("{list}?limit=2"), Vec::new(), 0);
        loop {
            let page = admin.get(&path).await.expect(200);
            seen.extend(page.items().iter().map(|row| row[id].clone()));
            pages += 1;
            let Some(link) = Some(page.header("link")).filter(|link| !link.is_empty()) else { break };
            let next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(r#">; rel="next""#));
            path = next.unwrap_or_else(|| panic!("{link}")).to_owned();
            assert!(path.starts_with(&format!("{list}?limit=2&cursor=")), "{path}");
        }
        assert_eq!((pages, seen.iter().collect::<Vec<_>>()), (3, pluck(all.items(), id)), "{list}");
    }
}

#[tokio::test]
async fn only_admins_list_all_orders() {
    let store = TestStore::start().await;
    let mug = store.admin().create_product("Mug", "19.99", 5).await;
    let (ada, grace) = (store.register("ada").await, store.register("grace").await);
    ada.buy(mug, 1).await;
    let order = grace.buy(mug, 2).await;
    ada.get("/orders").await.expect_problem(403, "admin_only");
    let orders = store.admin().get("/orders").await.expect(200);
    assert_eq!(pluck(orders.items(), "userId"), [grace.id(), ada.id()], "newest first");
    orders.items().iter().for_each(|order| assert_fields(order, ORDER));
    store.admin().update_order_status(&order, "paid").await.expect(200);
    let paid = store.admin().get("/orders?status=paid").await.expect(200);
    assert_eq!(pluck(paid.items(), "userId"), [grace.id()]);
}

#[tokio::test]
async fn orders_contain_products_of_categories() {
    let store = TestStore::start().await;
    let body = json!({"name": "Mug", "price": 1, "quantity": 5, "category": "Kitchen"});
    let mug = store.admin().post("/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let ada = store.register("ada").await;
    ada.buy(mug, 1).await;
    ada.buy(mug, 2).await;
    ada.add_to_cart(mug, 3).await.expect(200);
    let related = "select u.email, c.name, ci.quantity, count(o.id)
        from identity.users u
        join cart.carts ca on ca.user_id = u.id join cart.cart_items ci on ci.cart_id = ca.id
        join orders.orders o on o.user_id = u.id join orders.order_items i on i.order_id = o.id
        join catalog.products p on p.id = i.product_id join catalog.categories c on c.id = p.category_id
        group by 1, 2, 3";
    let rows: Vec<(String, String, i32, i64)> =
        sqlx::query_as(related).fetch_all(&store.sql().await).await.unwrap();
    assert_eq!(rows, [(email_of("ada"), "Kitchen".to_owned(), 3, 2)]);
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
    let classic = ada.get(&path).await.expect(200).json;
    assert_eq!((&classic["orderId"], &classic["totalPrice"]), (&order["id"], &order["totalAmount"]));
    let left = store.guest().get(&format!("/products/{}", mug["id"])).await.expect(200).json;
    assert_eq!(left["quantity"], 3);
}
