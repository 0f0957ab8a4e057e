//! Seed 000: the surface at the root, to the letter. Lines are those of the seed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    responses::{USER, assert_fields, pluck},
    store::{PASSWORD, Shop, email_of},
};

/// Lines 15 to 21.
const PRODUCT: &str = "id name price description quantity category imageUrl";
/// Line 26.
const CART: &str = "products totalPrice";
const CART_LINE: &str = "productId name price quantity subtotal imageUrl";
/// Lines 33 to 38.
const ORDER: &str = "orderId userId products totalPrice status createdAt updatedAt";
const ORDER_LINE: &str = "productId name price quantity";

/// Lines 8, 10, 46, 47: sign up, log in and receive a JWT, log out.
#[tokio::test]
async fn users_sign_up_log_in_with_a_jwt_and_log_out() {
    let shop = Shop::start().await;
    let guest = shop.guest();
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
    ada.post_nothing("/auth/logout").await.expect(204);
    ada.get("/cart").await.expect_problem(401, "session_ended");
    let body = json!({"email": "ada@shop.example", "password": "of somebody else"});
    guest.post("/auth/login", body).await.expect_problem(401, "invalid_credentials");
}

/// Lines 13 to 21, 49 to 53.
#[tokio::test]
async fn admins_add_view_update_and_delete_products() {
    let shop = Shop::start().await;
    let (admin, guest) = (shop.admin(), shop.guest());
    let body = json!({
        "name": "Mug", "price": 19.99, "description": "Holds 300 ml.", "quantity": 5, "category": "Kitchen",
        "imageUrl": "/mug.jpg"
    });
    let made = admin.post("/products", body).await.expect(201);
    assert_fields(&made.json, PRODUCT);
    assert_fields(&made.json["category"], "id name");
    assert!(made.text.contains(r#""price":19.99"#), "{made:?}");
    assert_eq!((&made.json["quantity"], &made.json["imageUrl"]), (&json!(5), &json!("/mug.jpg")));
    assert_eq!(made.json["category"]["name"], "Kitchen");
    let path = format!("/products/{}", made.json["id"]);
    assert_eq!(made.header("location"), path);

    assert_eq!(guest.get(&path).await.expect(200).json, made.json);
    assert_eq!(guest.get("/products").await.expect(200).json, json!([made.json]));

    let changed = admin.put(&path, json!({"price": "9.50", "quantity": 60})).await.expect(200).json;
    assert_eq!((&changed["price"], &changed["quantity"]), (&json!(9.5), &json!(60)));
    for field in ["id", "name", "description", "category", "imageUrl"] {
        assert_eq!(changed[field], made.json[field], "what is not named stays: {field}");
    }
    let bare = admin.put(&path, json!({"category": null, "imageUrl": null, "description": ""})).await;
    assert_eq!((&bare.json["category"], &bare.json["imageUrl"]), (&Value::Null, &Value::Null));

    admin.delete(&path).await.expect(204);
    guest.get(&path).await.expect_problem(404, "product_not_found");
    assert_eq!(guest.get("/products").await.expect(200).json, json!([]));
    admin.put(&path, json!({"price": 1})).await.expect_problem(404, "product_not_found");
    admin.delete(&path).await.expect_problem(404, "product_not_found");
    shop.verify().await;
}

/// Lines 13, 49, 52, 53: admin only.
#[tokio::test]
async fn only_admins_write_products() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let path = format!("/products/{mug}");
    let body = json!({"name": "Pot", "price": 1, "quantity": 1});
    for (person, status, code) in
        [(shop.guest().clone(), 401, "unauthenticated"), (shop.register("ada").await, 403, "admin_only")]
    {
        person.post("/products", body.clone()).await.expect_problem(status, code);
        person.put(&path, json!({"price": 1})).await.expect_problem(status, code);
        person.delete(&path).await.expect_problem(status, code);
    }
    let products = shop.guest().get("/products").await.expect(200);
    assert_eq!(pluck(products.items(), "price"), [19.99]);
}

/// Line 20: a model of its own, which this surface has no route for.
#[tokio::test]
async fn a_category_comes_in_by_id_or_by_a_name_that_is_made_when_new() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    let create = async |category: Value| {
        admin.post("/products", json!({"name": "Mug", "price": 1, "quantity": 1, "category": category})).await
    };
    let kitchen = create(json!("Kitchen")).await.expect(201).json["category"].clone();
    assert_eq!(create(json!("kITCHEN")).await.expect(201).json["category"], kitchen, "in any case");
    assert_eq!(create(kitchen["id"].clone()).await.expect(201).json["category"], kitchen);
    let none = create(Value::Null).await.expect(201).json;
    assert_eq!(none["category"], Value::Null);
    create(json!(999)).await.expect_refused(422, "category");
    create(json!("")).await.expect_refused(422, "category");
    create(json!("a\nb")).await.expect_refused(422, "category");
    create(json!("x".repeat(101))).await.expect_refused(422, "category");
    create(json!({"id": 1})).await.expect_refused(422, "category");

    let path = format!("/products/{}", none["id"]);
    let garden = admin.put(&path, json!({"category": "Garden"})).await.expect(200).json;
    assert_eq!(garden["category"]["name"], "Garden");
    let categories = admin.get("/api/categories").await.expect(200);
    let counts: Vec<_> = categories.items().iter().map(|it| (&it["name"], &it["productCount"])).collect();
    assert_eq!(counts, [(&json!("Kitchen"), &json!(3)), (&json!("Garden"), &json!(1))]);
}

/// Lines 15 to 21: refusals speak of the fields by the names they have here.
#[tokio::test]
async fn a_refused_field_is_called_as_this_surface_calls_it() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
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
        let refused = shop.admin().post("/products", body).await.expect_refused(422, field);
        assert_eq!(refused.code(), "invalid_field");
        let path = format!("/products/{mug}");
        shop.admin().put(&path, json!({ field: value })).await.expect_refused(422, field);
    }
}

/// Lines 25 to 28, 55 to 58.
#[tokio::test]
async fn a_cart_is_added_to_viewed_updated_and_removed_from() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 50).await;
    let pot = shop.admin().create_product("Pot", "0.1", 50).await;
    let ada = shop.register("ada").await;
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
    ada.post("/cart", json!({"productId": mug, "quantity": 0})).await.expect_refused(422, "quantity");
}

/// Lines 10, 24: authenticated users; a guest's token opens no cart here.
#[tokio::test]
async fn a_cart_and_an_order_need_a_token() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let token = shop.guest().add_to_cart(mug, 1).await.expect(200).header("x-cart-token").to_owned();
    let guest = shop.guest().clone().with("x-cart-token", &token);
    let path = format!("/cart/{mug}");
    for answer in [
        guest.get("/cart").await,
        guest.post("/cart", json!({"productId": mug})).await,
        guest.put(&path, json!({"quantity": 2})).await,
        guest.delete(&path).await,
        guest.post_nothing("/order").await,
        guest.get("/orders").await,
        guest.get("/order/0197f0c5-b3d8-71e2-9d43-52b8f6a0c911").await,
    ] {
        assert_eq!(answer.expect_problem(401, "unauthenticated").header("www-authenticate"), "Bearer");
    }
    assert_eq!(guest.cart_lines().await, [(mug, 1)]);
}

/// Lines 31 to 38, 60, 61.
#[tokio::test]
async fn a_user_places_an_order_and_sees_it() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    ada.post_nothing("/order").await.expect_problem(409, "empty_cart");
    ada.post("/cart", json!({"productId": mug, "quantity": 2})).await.expect(200);
    let placed = ada.post_nothing("/order").await.expect(201);
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
    assert_eq!(shop.admin().get(&path).await.expect(200).json, *order);
    shop.register("grace").await.get(&path).await.expect_problem(404, "order_not_found");

    let canonical = format!("/api/orders/{}", order["orderId"].as_str().unwrap());
    for status in ["confirmed", "shipped"] {
        shop.admin().patch(&canonical, json!({"status": status})).await.expect(200);
        let moved = ada.get(&path).await.expect(200).json;
        assert_eq!(moved["status"], status);
        assert!(moved["updatedAt"].as_str() > order["updatedAt"].as_str(), "{moved}");
    }
    shop.verify().await;
}

/// As on the canonical surface: what is repeated is done once, and what was not seen is not changed.
#[tokio::test]
async fn an_order_is_placed_once_and_a_product_changed_as_it_was_seen() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    let mug = admin.create_product("Mug", "19.99", 5).await;
    let ada = shop.register("ada").await;
    ada.add_to_cart(mug, 2).await.expect(200);
    let place = || ada.send(ada.request(Method::POST, "/order").header("idempotency-key", "a-key"));
    let order = place().await.expect(201).json;
    assert_eq!(place().await.expect(201).json, order);
    ada.post("/order", json!({"expectedTotal": 1})).await.expect_problem(409, "empty_cart");

    let path = format!("/products/{mug}");
    let seen = shop.guest().get(&path).await.expect(200).header("etag").to_owned();
    let put = |tag: &str| {
        admin.send(admin.request(Method::PUT, &path).header("if-match", tag).json(&json!({"price": 5})))
    };
    put(&seen).await.expect(200);
    put(&seen).await.expect_problem(412, "version_mismatch");
    let delete = admin.request(Method::DELETE, &path).header("if-match", seen);
    admin.send(delete).await.expect_problem(412, "version_mismatch");
    shop.verify().await;
}

/// Lines 50, 62: all of them; page by page where there are many.
#[tokio::test]
async fn lists_are_plain_arrays_that_link_to_what_follows() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    for name in ["a", "b", "c", "d", "e"] {
        let product = admin.create_product(name, "1", 9).await;
        shop.register(&format!("user-{name}")).await.buy(product, 1).await;
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

/// Line 62: admin only.
#[tokio::test]
async fn only_admins_see_all_orders() {
    let shop = Shop::start().await;
    let mug = shop.admin().create_product("Mug", "19.99", 5).await;
    let (ada, grace) = (shop.register("ada").await, shop.register("grace").await);
    ada.buy(mug, 1).await;
    let order = grace.buy(mug, 2).await;
    ada.get("/orders").await.expect_problem(403, "admin_only");
    let orders = shop.admin().get("/orders").await.expect(200);
    assert_eq!(pluck(orders.items(), "userId"), [grace.id(), ada.id()], "newest first");
    orders.items().iter().for_each(|order| assert_fields(order, ORDER));
    shop.admin().update_order_status(&order, "paid").await.expect(200);
    let paid = shop.admin().get("/orders?status=paid").await.expect(200);
    assert_eq!(pluck(paid.items(), "userId"), [grace.id()]);
}

/// Lines 32, 34, 41, 42: the models, and how they belong together.
#[tokio::test]
async fn users_have_orders_that_contain_products_of_categories() {
    let shop = Shop::start().await;
    let body = json!({"name": "Mug", "price": 1, "quantity": 5, "category": "Kitchen"});
    let mug = shop.admin().post("/products", body).await.expect(201).json["id"].as_i64().unwrap();
    let ada = shop.register("ada").await;
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
        sqlx::query_as(related).fetch_all(&shop.sql().await).await.unwrap();
    assert_eq!(rows, [(email_of("ada"), "Kitchen".to_owned(), 3, 2)]);
}

/// The same store under both surfaces.
#[tokio::test]
async fn what_one_surface_does_the_other_shows() {
    let shop = Shop::start().await;
    let admin = shop.admin();
    let body = json!({"name": "Mug", "price": 2.5, "quantity": 5, "category": "Kitchen"});
    let mug = admin.post("/products", body).await.expect(201).json;
    let canonical = admin.get(&format!("/api/products/{}", mug["id"])).await.expect(200).json;
    assert_eq!((&canonical["stock"], &canonical["category"]), (&mug["quantity"], &mug["category"]));

    let ada = shop.register("ada").await;
    ada.add_to_cart(mug["id"].as_i64().unwrap(), 2).await.expect(200);
    assert_eq!(ada.get("/cart").await.expect(200).json["totalPrice"], 5.0);
    let order = ada.place_order().await.expect(201).json;
    let path = format!("/order/{}", order["id"].as_str().unwrap());
    let classic = ada.get(&path).await.expect(200).json;
    assert_eq!((&classic["orderId"], &classic["totalPrice"]), (&order["id"], &order["totalAmount"]));
    let left = shop.guest().get(&format!("/products/{}", mug["id"])).await.expect(200).json;
    assert_eq!(left["quantity"], 3);
}
