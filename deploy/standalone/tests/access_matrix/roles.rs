//! The roles of the matrix, and what each may do.

use std::time::Duration;

use bodega_embedded_postgres::testing::TestDatabase;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{
    routes::Access,
    store::{self, ADMIN_EMAIL, Client, PASSWORD, StoreOptions, TestStore},
};

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Anonymous,
    /// With the token of a guest's cart.
    Guest,
    /// With the token of a guest's order.
    OrderToken,
    /// The user that the order, the session and so on belong to.
    Owner,
    OtherUser,
    Admin,
    /// The token of an admin who was disabled afterwards.
    Disabled,
    /// The token of an admin who has logged out.
    EndedSession,
    /// The token of an admin, expired.
    Expired,
    /// A token without a signature.
    Forged,
    /// A bearer of nothing.
    Empty,
    /// An API key with one scope.
    ApiKey(&'static str),
    /// An API key with all scopes, revoked.
    RevokedKey,
}

const SCOPES: [&str; 7] = [
    "catalog:write",
    "orders:read",
    "orders:write",
    "payments:write",
    "users:read",
    "audit:read",
    "settings:write",
];

pub(super) const ROLES: [Role; 19] = [
    Role::Anonymous,
    Role::Guest,
    Role::OrderToken,
    Role::Owner,
    Role::OtherUser,
    Role::Admin,
    Role::Disabled,
    Role::EndedSession,
    Role::Expired,
    Role::Forged,
    Role::Empty,
    Role::ApiKey(SCOPES[0]),
    Role::ApiKey(SCOPES[1]),
    Role::ApiKey(SCOPES[2]),
    Role::ApiKey(SCOPES[3]),
    Role::ApiKey(SCOPES[4]),
    Role::ApiKey(SCOPES[5]),
    Role::ApiKey(SCOPES[6]),
    Role::RevokedKey,
];

/// What a response means for the access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not rejected because of who asks.
    Allowed,
    /// 401: there is no token.
    Unauthenticated,
    /// 401: the token is not valid, or not any more.
    InvalidToken,
    /// 403.
    Forbidden,
    /// 404: as for an id that does not exist.
    NotFound,
    /// 5xx.
    Failed,
}

impl Role {
    /// What a route with this access responds. `owned`: its path names something that belongs to a user. `scopes`: those of API
    /// keys that may call it.
    pub(super) fn expected(self, access: Access, owned: bool, scopes: &[String]) -> Outcome {
        let for_users = match self {
            Self::Anonymous | Self::Guest | Self::OrderToken => Outcome::Unauthenticated,
            Self::Disabled
            | Self::EndedSession
            | Self::Expired
            | Self::Forged
            | Self::Empty
            | Self::RevokedKey => Outcome::InvalidToken,
            Self::ApiKey(scope) if scopes.iter().any(|known| known == scope) => Outcome::Allowed,
            Self::ApiKey(_) => Outcome::Forbidden,
            Self::Owner | Self::OtherUser | Self::Admin => Outcome::Allowed,
        };
        match (access, self) {
            (Access::Anyone, _) => Outcome::Allowed,
            (Access::UserOrGuest, Self::Anonymous | Self::Guest | Self::OrderToken) => Outcome::Allowed,
            (Access::Customer, Self::Guest) => Outcome::Allowed,
            (Access::OrderCustomer | Access::OrderCustomerOrAdmin, Self::OrderToken) => Outcome::Allowed,
            (Access::OwnerOrAdmin | Access::OrderCustomerOrAdmin, Self::OtherUser) => Outcome::NotFound,
            (Access::User | Access::OrderCustomer, Self::OtherUser | Self::Admin) if owned => {
                Outcome::NotFound
            }
            (Access::Admin, Self::Owner | Self::OtherUser) => Outcome::Forbidden,
            _ => for_users,
        }
    }
}

/// An access token of the admin that has expired, made by a store with short tokens on the same database.
pub(super) async fn expired_token(database: &TestDatabase) -> String {
    let settings = bodega_identity::Settings::new(store::JWT_SECRET_KEY.parse().unwrap());
    let identity = bodega_identity::Settings { access_ttl: Duration::from_secs(1), ..settings };
    let options = StoreOptions { identity, ..StoreOptions::default() };
    let store = TestStore::start_on(database.url().parse().unwrap(), options).await;
    let token = store.admin().token().to_owned();
    store::eventually("the token has expired", async || store.admin().get("/api/cart").await.status == 401)
        .await;
    store.stop().await;
    token
}

/// Registers a user; with `admin`, one who is an admin.
pub(super) async fn register(admin: Option<&Client>, guest: &Client) -> Client {
    let name = format!("u{}", &uuid::Uuid::now_v7().simple().to_string()[12..]);
    let body = json!({"name": name, "email": store::email_of(&name), "username": name, "password": PASSWORD});
    let session = guest.post("/api/auth/register", body).await.expect(201).json;
    let client = guest.clone().signed_in(session);
    let Some(admin) = admin else { return client };
    admin.patch(&format!("/api/users/{}", client.id()), json!({"role": "admin"})).await.expect(200);
    guest.sign_in(&name).await
}

/// Creates an API key; returns its id and text.
pub(super) async fn create_key(admin: &Client, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "machine", "scopes": scopes});
    let created = admin.post("/api/admin/api-keys", body).await.expect(201).json;
    (created["id"].as_str().unwrap().to_owned(), created["key"].as_str().unwrap().to_owned())
}

/// One client for each role, and the clients that own and prepare things.
pub(super) struct Clients {
    pub(super) guest: Client,
    pub(super) owner: Client,
    pub(super) admin: Client,
    /// The id of the order that the token of [`Role::OrderToken`] opens.
    pub(super) guest_order: String,
    clients: Vec<(Role, Client)>,
}

impl Clients {
    /// Signs all of them in.
    pub(super) async fn new(guest: &Client, product: i64, expired: &str) -> Self {
        let admin = guest.sign_in(ADMIN_EMAIL).await;
        let owner = register(None, guest).await;
        let cart = guest.add_to_cart(product, 1).await.expect(200);
        let ordered = guest.add_to_cart(product, 1).await.expect(200);
        let customer = guest.clone().with("x-cart-token", ordered.header("x-cart-token"));
        let contact = json!({"contact": {"email": "guest@shop.example"}});
        let ordered = customer.post("/api/orders", contact).await.expect(201).json;
        let text = |field: &str| ordered[field].as_str().unwrap().to_owned();
        let disabled = register(Some(&admin), guest).await;
        admin.patch(&format!("/api/users/{}", disabled.id()), json!({"disabled": true})).await.expect(200);
        let ended = register(Some(&admin), guest).await;
        ended.send(ended.request(Method::POST, "/api/auth/logout")).await.expect(204);
        for client in [&disabled, &ended] {
            store::eventually("the gateway knows", async || client.get("/api/cart").await.status == 401)
                .await;
        }
        let bearer = |token: &str| guest.clone().with("authorization", &format!("Bearer {token}"));
        let mut clients = vec![
            (Role::Anonymous, guest.clone()),
            (Role::Guest, guest.clone().with("x-cart-token", cart.header("x-cart-token"))),
            (Role::OrderToken, guest.clone().with("x-order-token", &text("accessToken"))),
            (Role::Owner, owner.clone()),
            (Role::OtherUser, register(None, guest).await),
            (Role::Admin, admin.clone()),
            (Role::Disabled, disabled),
            (Role::EndedSession, ended),
            (Role::Expired, bearer(expired)),
            (Role::Forged, bearer("eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.")),
            (Role::Empty, bearer("")),
        ];
        for scope in SCOPES {
            let (_, key) = create_key(&admin, &[scope]).await;
            clients.push((Role::ApiKey(scope), bearer(&key)));
        }
        let (id, key) = create_key(&admin, &SCOPES).await;
        let revoked = bearer(&key);
        revoked.get("/api/users").await.expect(200);
        admin.delete(&format!("/api/admin/api-keys/{id}")).await.expect(204);
        store::eventually("the gateway knows", async || revoked.get("/api/users").await.status == 401).await;
        clients.push((Role::RevokedKey, revoked));
        Self { guest: guest.clone(), owner, admin, guest_order: text("id"), clients }
    }

    /// The client of a role.
    pub(super) fn of(&self, role: Role) -> &Client {
        &self.clients.iter().find(|(known, _)| *known == role).unwrap().1
    }

    /// What the owner and the admin see.
    pub(super) async fn visible_state(&self) -> Vec<Value> {
        let mut state = Vec::new();
        for path in [
            "/api/products",
            "/api/categories",
            "/api/tags",
            "/api/users",
            "/api/admin/orders",
            "/api/settings",
            "/api/settings/tax",
            "/api/shipping-zones",
            "/api/discounts",
        ] {
            state.push(self.admin.get(path).await.expect(200).json);
        }
        for path in ["/api/cart", "/api/orders", "/api/users/me", "/api/auth/sessions"] {
            state.push(self.owner.get(path).await.expect(200).json);
        }
        state
    }
}
