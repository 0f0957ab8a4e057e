//! Who may: lines 9, 42, 48, 112, 117; "Nobody reads or changes what is not theirs".

use std::collections::BTreeSet;

use reqwest::multipart::Form;
use serde_json::json;

use crate::harness::{
    images::{file, png},
    routes::{FILES, Route, Who, routes},
    store::{Person, Response, Shop},
};

/// A shop, and something of everything in it that belongs to Ada.
struct Stage {
    shop: Shop,
    ada: Person,
    product: i64,
    label: i64,
    order: String,
    session: String,
}

impl Stage {
    async fn set() -> Self {
        let shop = Shop::start().await;
        let admin = shop.admin();
        let product = admin.create_product("Mug", "19.99", 9).await;
        let label = admin.post("/api/categories", json!({"name": "Kitchen"})).await.expect(201).json["id"]
            .as_i64()
            .unwrap();
        admin.post("/api/tags", json!({"name": "blue"})).await.expect(201);
        let ada = shop.register("ada").await;
        let order = ada.buy(product, 1).await["id"].as_str().unwrap().to_owned();
        ada.add_to_cart(product, 2).await.expect(200);
        let session =
            ada.get("/api/auth/sessions").await.expect(200).items()[0]["id"].as_str().unwrap().to_owned();
        Self { shop, ada, product, label, order, session }
    }

    /// Calls a route, about what is Ada's, with a body that will do.
    async fn call(&self, person: &Person, (method, route, _): Route) -> Response {
        let id = match route {
            route if route.contains("/users/") => self.ada.id().to_owned(),
            route if route.contains("/sessions/") => self.session.clone(),
            route if route.contains("/order") => self.order.clone(),
            route if route.contains("/products/") || route.contains("/cart/") => self.product.to_string(),
            _ => self.label.to_string(),
        };
        let path = route.replace("{id}", &id).replace("{productId}", &id).replace("{imageId}", "1");
        let mut request = person.request(method.parse().unwrap(), &path);
        if let Some(field) = field_of_files(route).filter(|_| method != "DELETE") {
            request = request.multipart(Form::new().part(field, file(&png())));
        } else if let Some(body) = self.body(method, route) {
            request = request.json(&body);
        }
        person.send(request).await
    }

    fn body(&self, method: &str, route: &str) -> Option<serde_json::Value> {
        if ["GET", "DELETE"].contains(&method) {
            return None;
        }
        Some(match route {
            "/api/users/me" => json!({"name": "Eve", "email": "eve@shop.example"}),
            "/api/users/me/password" => json!({"currentPassword": "x", "newPassword": "x"}),
            "/api/users/{id}" => json!({"role": "admin"}),
            "/products" | "/products/{id}" => json!({"name": "Cup", "price": 1, "quantity": 1}),
            route if route.contains("products") => json!({"name": "Cup", "price": 1, "stock": 1}),
            route if route.contains("categories") || route.contains("tags") => json!({"name": "Fresh"}),
            route if route.ends_with("/add") || route.ends_with("/remove") || route == "/cart" => {
                json!({"productId": self.product})
            }
            route if route.contains("/cart/") => json!({"quantity": 1}),
            route if route.ends_with("orders/{id}") => json!({"status": "cancelled"}),
            _ => json!({}),
        })
    }

    /// Everything that can be seen of the shop and of Ada.
    async fn look(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for path in ["/api/products", "/api/categories", "/api/tags", "/api/admin/orders"] {
            seen.push(self.shop.admin().get(path).await.expect(200).text);
        }
        for path in ["/api/cart", "/api/orders", "/api/users/me", "/api/auth/sessions"] {
            seen.push(self.ada.get(path).await.expect(200).text);
        }
        seen
    }
}

/// The field of a route's files, where it takes any.
fn field_of_files(route: &str) -> Option<&'static str> {
    match route {
        "/api/products/{id}/images" => Some("images"),
        "/api/users/me/avatar" => Some("image"),
        _ => None,
    }
}

/// Line 117: a token for every protected API; whose token is no good is told so.
#[tokio::test]
async fn without_a_token_nothing_is_reached_that_needs_one() {
    let stage = Stage::set().await;
    let before = stage.look().await;
    let guest = stage.shop.guest().clone();
    for route in routes().chain(FILES.iter().copied()) {
        let (_, _, who) = route;
        let answer = stage.call(&guest, route).await;
        if [Who::Anyone, Who::Shopper].contains(&who) {
            assert!(![401, 403].contains(&answer.status) && answer.status < 500, "{answer:?}");
            continue;
        }
        let answer = answer.expect_problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let forged = guest.clone().with("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.");
        let answer = stage.call(&forged, route).await.expect_problem(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    assert_eq!(stage.look().await, before);
    stage.shop.verify().await;
}

/// Lines 42, 48, 170.
#[tokio::test]
async fn what_is_for_admins_is_refused_to_users() {
    let stage = Stage::set().await;
    let before = stage.look().await;
    let mut refused = 0;
    for route in routes().filter(|(_, _, who)| *who == Who::Admin) {
        stage.call(&stage.ada, route).await.expect_problem(403, "admin_only");
        refused += 1;
    }
    assert!(refused >= 20, "{refused}");
    assert_eq!(stage.look().await, before);
    stage.shop.verify().await;
}

/// Contract, "What always holds" 6.
#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let stage = Stage::set().await;
    let before = stage.look().await;
    let eve = stage.shop.register("mallory").await;
    for route in routes() {
        let (method, path, who) = route;
        let theirs = who == Who::Buyer || (who == Who::User && path.contains("{id}"));
        if theirs {
            stage.call(&eve, route).await.expect(404);
        } else if ["GET", "PUT", "PATCH"].contains(&method) && [Who::User, Who::Shopper].contains(&who) {
            let answer = stage.call(&eve, route).await;
            assert!(
                !answer.text.contains(stage.ada.id()) && !answer.text.contains(&stage.order),
                "{answer:?}"
            );
        }
    }
    assert_eq!(stage.look().await, before);
    stage.shop.verify().await;
}

/// Line 112: an admin is a user like any other, with a cart and orders of their own.
#[tokio::test]
async fn an_admin_shops_too() {
    let stage = Stage::set().await;
    assert_eq!(stage.shop.admin().cart_lines().await, [], "not the cart of somebody else");
    stage.shop.admin().buy(stage.product, 1).await;
    assert_eq!(stage.shop.admin().get("/api/orders").await.expect(200).items().len(), 1);
    stage.shop.verify().await;
}

/// Contract, "What always holds" 6: stock, checkouts and tokens are matters between services.
#[tokio::test]
async fn no_internal_call_is_reachable_from_outside() {
    let stage = Stage::set().await;
    for call in [
        "bodega.catalog.v1.StockService/Reserve",
        "bodega.catalog.v1.CatalogService/DeleteProduct",
        "bodega.cart.v1.CheckoutService/ClearOrdered",
        "bodega.identity.v1.TokenService/WatchRevocations",
        "bodega.order.v1.OrderService/UpdateOrderStatus",
        "bodega.order.v1.PaymentWebhookService/HandleWebhookEvent",
        "grpc.health.v1.Health/Check",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let admin = stage.shop.admin();
        let request = admin.request("POST".parse().unwrap(), &format!("/{call}"));
        let request = request.header("content-type", "application/grpc").body(vec![0; 5]);
        admin.send(request).await.expect_problem(404, "no_such_route");
    }
}

#[test]
fn no_route_is_there_twice() {
    let all: BTreeSet<_> = routes().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(all.len(), routes().count());
}
