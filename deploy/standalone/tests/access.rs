//! Authorization of every route.

use std::collections::BTreeSet;

use reqwest::multipart::Form;
use serde_json::json;

use crate::harness::{
    images::{file, png},
    routes::{Access, FILES, Route, routes},
    store::{Client, Response, TestStore},
};

/// A store in which Ada owns one of everything.
struct Fixture {
    store: TestStore,
    ada: Client,
    product: i64,
    category: i64,
    order: String,
    session: String,
}

impl Fixture {
    async fn create() -> Self {
        let store = TestStore::start().await;
        let admin = store.admin();
        let product = admin.create_product("Mug", "19.99", 9).await;
        let category = admin.post("/api/categories", json!({"name": "Kitchen"})).await.expect(201).json["id"]
            .as_i64()
            .unwrap();
        admin.post("/api/tags", json!({"name": "blue"})).await.expect(201);
        let ada = store.register("ada").await;
        let order = ada.buy(product, 1).await["id"].as_str().unwrap().to_owned();
        ada.add_to_cart(product, 2).await.expect(200);
        let session =
            ada.get("/api/auth/sessions").await.expect(200).items()[0]["id"].as_str().unwrap().to_owned();
        Self { store, ada, product, category, order, session }
    }

    /// Calls a route for Ada's resources, with a valid body.
    async fn call(&self, client: &Client, (method, route, _): Route) -> Response {
        let id = match route {
            route if route.contains("/users/") => self.ada.id().to_owned(),
            route if ["/sessions/", "/api-keys/", "/mails/"].iter().any(|part| route.contains(part)) => {
                self.session.clone()
            }
            route if route.contains("/order") || route.contains("/payments/") => self.order.clone(),
            route if route.contains("/products/") || route.contains("/cart/") => self.product.to_string(),
            _ => self.category.to_string(),
        };
        let path = route.replace("{id}", &id).replace("{productId}", &id).replace("{imageId}", "1");
        let mut request = client.request(method.parse().unwrap(), &path);
        if let Some(field) = field_of_files(route).filter(|_| method != "DELETE") {
            request = request.multipart(Form::new().part(field, file(&png())));
        } else if let Some(body) = self.body(method, route) {
            request = request.json(&body);
        }
        client.send(request).await
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
            route if route.contains("categories") || route.contains("tags") => json!({"name": "Garden"}),
            route if route.ends_with("/add") || route.ends_with("/remove") || route == "/cart" => {
                json!({"productId": self.product})
            }
            route if route.contains("/cart/") => json!({"quantity": 1}),
            route if route.ends_with("orders/{id}") => json!({"status": "cancelled"}),
            route if route.ends_with("/resolve") => json!({"resolution": "retry"}),
            "/api/settings" => json!({"requireShipping": true, "pricesIncludeTax": true}),
            "/api/settings/tax" => json!({"rates": [{"country": "DE", "name": "VAT", "percentage": 19}]}),
            route if route.contains("zones") => {
                json!({"name": "DE", "places": [{"country": "DE"}], "methods": []})
            }
            route if route.contains("discounts") => {
                json!({"title": "Sale", "class": "order", "percentOff": 10})
            }
            _ => json!({}),
        })
    }

    /// Everything that the admin and Ada see through the API.
    async fn visible_state(&self) -> Vec<String> {
        let mut responses = Vec::new();
        for path in [
            "/api/products",
            "/api/categories",
            "/api/tags",
            "/api/admin/orders",
            "/api/settings",
            "/api/settings/tax",
            "/api/shipping-zones",
            "/api/discounts",
        ] {
            responses.push(self.store.admin().get(path).await.expect(200).text);
        }
        for path in ["/api/cart", "/api/orders", "/api/users/me", "/api/auth/sessions"] {
            responses.push(self.ada.get(path).await.expect(200).text);
        }
        responses
    }
}

/// The form field of an upload route.
fn field_of_files(route: &str) -> Option<&'static str> {
    match route {
        "/api/products/{id}/images" => Some("images"),
        "/api/users/me/avatar" => Some("image"),
        _ => None,
    }
}

/// A missing token and an invalid token have different codes.
#[tokio::test]
async fn returns_401_without_a_valid_token() {
    let fixture = Fixture::create().await;
    let before = fixture.visible_state().await;
    let guest = fixture.store.guest().clone();
    for route in routes().chain(FILES.iter().copied()) {
        let (_, _, access) = route;
        let response = fixture.call(&guest, route).await;
        if [Access::Anyone, Access::UserOrGuest].contains(&access) {
            assert!(![401, 403].contains(&response.status) && response.status < 500, "{response:?}");
            continue;
        }
        let response = response.expect_problem(401, "unauthenticated");
        assert_eq!(response.header("www-authenticate"), "Bearer");
        let forged = guest.clone().with("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.");
        let response = fixture.call(&forged, route).await.expect_problem(401, "invalid_token");
        assert_eq!(response.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    assert_eq!(fixture.visible_state().await, before);
    fixture.store.verify().await;
}

#[tokio::test]
async fn returns_403_to_users_on_admin_routes() {
    let fixture = Fixture::create().await;
    let before = fixture.visible_state().await;
    let mut rejected = 0;
    for route in routes().filter(|(_, _, access)| *access == Access::Admin) {
        fixture.call(&fixture.ada, route).await.expect_problem(403, "admin_only");
        rejected += 1;
    }
    assert!(rejected >= 20, "{rejected}");
    assert_eq!(fixture.visible_state().await, before);
    fixture.store.verify().await;
}

#[tokio::test]
async fn returns_404_for_resources_of_other_users() {
    let fixture = Fixture::create().await;
    let before = fixture.visible_state().await;
    let mallory = fixture.store.register("mallory").await;
    for route in routes() {
        let (method, path, access) = route;
        let is_owned = access == Access::OwnerOrAdmin || (access == Access::User && path.contains("{id}"));
        if is_owned {
            fixture.call(&mallory, route).await.expect(404);
        } else if ["GET", "PUT", "PATCH"].contains(&method)
            && [Access::User, Access::UserOrGuest].contains(&access)
        {
            let response = fixture.call(&mallory, route).await;
            assert!(
                !response.text.contains(fixture.ada.id()) && !response.text.contains(&fixture.order),
                "{response:?}"
            );
        }
    }
    assert_eq!(fixture.visible_state().await, before);
    fixture.store.verify().await;
}

/// An admin has a cart and orders like any other user.
#[tokio::test]
async fn admins_have_carts_and_orders() {
    let fixture = Fixture::create().await;
    assert_eq!(fixture.store.admin().cart_lines().await, [], "an empty cart of their own");
    fixture.store.admin().buy(fixture.product, 1).await;
    assert_eq!(fixture.store.admin().get("/api/orders").await.expect(200).items().len(), 1);
    fixture.store.verify().await;
}

/// The gateway does not expose gRPC.
#[tokio::test]
async fn internal_rpcs_are_not_reachable() {
    let fixture = Fixture::create().await;
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
        let admin = fixture.store.admin();
        let request = admin.request("POST".parse().unwrap(), &format!("/{call}"));
        let request = request.header("content-type", "application/grpc").body(vec![0; 5]);
        admin.send(request).await.expect_problem(404, "no_such_route");
    }
}

#[test]
fn routes_are_unique() {
    let all: BTreeSet<_> = routes().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(all.len(), routes().count());
}
