//! Every operation of the OpenAPI document, called by every role, through one process and through five.
//!
//! An operation without a row in `harness/routes.rs` fails the test, as does one without a body in `harness/request_bodies.rs`.

mod roles;

use futures_util::{StreamExt as _, stream};
use reqwest::{Method, multipart::Form};
use serde_json::json;

use self::roles::{Clients, Outcome, ROLES, Role, create_key, expired_token, register};
use crate::{
    harness::{
        images::{file, png},
        payments, process,
        request_bodies::{Input, inputs},
        routes::{Access, routes},
        store::{self, Client, Response, StoreOptions, TestStore},
    },
    separate_processes::Processes,
};

/// An operation of the OpenAPI document.
struct Operation {
    method: Method,
    path: String,
    access: Access,
    /// The scopes of API keys that may call it.
    scopes: Vec<String>,
}

impl Operation {
    /// All operations of the document. Each has a row in [`routes`].
    async fn all(guest: &Client) -> Vec<Self> {
        let document = guest.get("/openapi.json").await.expect(200).json;
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let security = operation["security"].as_array().into_iter().flatten();
                let scopes = security.filter_map(|one| one["bearer"].as_array()).flatten();
                let scopes = scopes.map(|scope| scope.as_str().unwrap().to_owned()).collect();
                let method: Method = method.to_uppercase().parse().unwrap();
                let row = routes().find(|(known, route, _)| (*known, *route) == (method.as_str(), path));
                let (_, _, access) = row.unwrap_or_else(|| panic!("no row in routes.rs: {method} {path}"));
                operations.push(Self { method, path: path.clone(), access, scopes });
            }
        }
        operations
    }

    fn expected(&self, role: Role) -> Outcome {
        role.expected(self.access, self.is_owned(), &self.scopes)
    }

    /// Whether a request of this role changes nothing: it reads, or is rejected.
    fn changes_nothing(&self, role: Role) -> bool {
        self.method == Method::GET || self.expected(role) != Outcome::Allowed
    }

    /// Whether the path names something that belongs to a user.
    fn is_owned(&self) -> bool {
        self.path.contains("{id}") && ["order", "sessions"].iter().any(|noun| self.path.contains(noun))
    }

    /// Whether the id in the path is one that does not exist: of a payment that needs a person, or of a mail.
    fn has_unknown_id(&self) -> bool {
        ["/payments/", "/mails/"].iter().any(|noun| self.path.contains(noun))
    }

    /// Whether it may end the session or change the account of the caller.
    fn changes_account(&self) -> bool {
        self.method != Method::GET && ["auth", "users"].iter().any(|noun| self.path.contains(noun))
    }

    fn field_of_files(&self) -> Option<&'static str> {
        match (self.method.as_str(), self.path.as_str()) {
            ("POST", "/api/products/{id}/images") => Some("images"),
            ("PUT", "/api/users/me/avatar") => Some("image"),
            _ => None,
        }
    }

    /// Sends the request for this resource, with a valid body.
    async fn call(&self, client: &Client, ids: &Ids, inputs: &[Input]) -> Response {
        let mut request = client.request(self.method.clone(), &ids.fill(&self.path));
        if let Some(field) = self.field_of_files() {
            request = request.multipart(Form::new().part(field, file(&png())));
        } else if let Some(input) = inputs.iter().find(|input| self.is(input)) {
            let mut body = input.body.clone();
            if body.get("productId").is_some() {
                body["productId"] = json!(ids.product);
            }
            request = request.json(&body);
        }
        client.send(request).await
    }

    /// Whether this is the operation of an input, whose parameters have other names.
    fn is(&self, input: &Input) -> bool {
        let segments = |path: &str| -> Vec<String> {
            let plain = |segment: &str| if segment.starts_with('{') { "{}" } else { segment }.to_owned();
            path.split('/').map(plain).collect()
        };
        self.method == input.method && segments(&self.path) == segments(input.path)
    }
}

/// An id that nothing has.
const UNKNOWN: &str = "01a2016b-b37e-7337-8d64-0a82f4f48e04";

/// One of each resource.
#[derive(Clone)]
struct Ids {
    product: i64,
    image: i64,
    category: i64,
    order: String,
    session: String,
    user: String,
    key: String,
}

impl Ids {
    /// Creates all that a path names, apart from `product` if the path names no product. Orders and sessions are the owner's.
    async fn create(clients: &Clients, owner: &Client, path: &str, product: i64) -> Self {
        let admin = &clients.admin;
        let mut ids = Self {
            product: match path.contains("roduct") || path.contains("variants/") {
                true => admin.create_product("Mug", "19.99", 9).await,
                false => product,
            },
            image: 1,
            category: 1,
            order: String::new(),
            session: String::new(),
            user: String::new(),
            key: String::new(),
        };
        let id = |response: Response| response.json["id"].clone();
        let name = json!({"name": uuid::Uuid::now_v7().to_string()});
        match path {
            _ if path.contains("{imageId}") => {
                let product = admin.add_images(ids.product, &[&png()]).await.expect(201).json;
                ids.image = product["images"][0]["id"].as_i64().unwrap();
            }
            _ if path.contains("categories/") => {
                ids.category = id(admin.post("/api/categories", name).await.expect(201)).as_i64().unwrap();
            }
            _ if path.contains("tags/") => {
                ids.category = id(admin.post("/api/tags", name).await.expect(201)).as_i64().unwrap();
            }
            _ if path.contains("shipping-zones/") => {
                let places = json!([{"country": "DE", "region": uuid::Uuid::now_v7().to_string()}]);
                let zone = json!({"name": "A region", "places": places, "methods": []});
                let created = admin.post("/api/shipping-zones", zone).await.expect(201);
                ids.category = id(created).as_i64().unwrap();
            }
            _ if path.contains("discounts/") => {
                let discount = json!({"title": "Sale", "class": "order", "percentOff": 10, "active": false});
                ids.category = id(admin.post("/api/discounts", discount).await.expect(201)).as_i64().unwrap();
            }
            _ if path.contains("order") && path.contains("{id}") => {
                ids.order = owner.buy(ids.product, 1).await["id"].as_str().unwrap().to_owned();
            }
            _ if path.contains("sessions/") => {
                let sessions = owner.get("/api/auth/sessions").await.expect(200);
                ids.session = sessions.items()[0]["id"].as_str().unwrap().to_owned();
            }
            _ if path.contains("api-keys/") => ids.key = create_key(admin, &["users:read"]).await.0,
            _ if path.contains("users/{id}") => {
                ids.user = register(None, &clients.guest).await.id().to_owned();
            }
            // A line of the cart.
            _ if path.contains("{productId}") || path.ends_with("cart/remove") => {
                owner.add_to_cart(ids.product, 1).await.expect(200);
            }
            _ => {}
        }
        ids
    }

    /// The same resources, with the order that the bearer of a token may open.
    fn for_role(&self, role: Role, clients: &Clients) -> Self {
        match role {
            Role::OrderToken => Self { order: clients.guest_order.clone(), ..self.clone() },
            _ => self.clone(),
        }
    }

    fn fill(&self, path: &str) -> String {
        let id: &str = match path {
            _ if path.contains("order") => &self.order,
            _ if path.contains("sessions/") => &self.session,
            _ if path.contains("api-keys/") => &self.key,
            _ if path.contains("/payments/") || path.contains("/mails/") => UNKNOWN,
            _ if path.contains("users/") => &self.user,
            _ if path.contains("products/") || path.contains("variants/") => &self.product.to_string(),
            _ => &self.category.to_string(),
        };
        path.replace("{id}", id)
            .replace("{productId}", &self.product.to_string())
            .replace("{imageId}", &self.image.to_string())
    }
}

/// Requests that change nothing are sent this many at a time.
const CONCURRENCY: usize = 8;

/// Calls all operations as all roles. First what reads or is rejected, which must change nothing, then what changes something,
/// each with resources of its own.
async fn assert_matrix(guest: &Client, expired: &str) {
    let admin = guest.sign_in(store::ADMIN_EMAIL).await;
    let product = admin.create_product("Mug", "19.99", 1000).await;
    let clients = &Clients::new(guest, product, expired).await;
    let operations = Operation::all(guest).await;
    let inputs = &inputs();
    let cells = operations.len() * ROLES.len();

    let mut shared = Vec::new();
    for operation in &operations {
        shared.push(Ids::create(clients, &clients.owner, &operation.path, product).await);
    }
    let before = clients.visible_state().await;
    let unchanging = operations.iter().zip(&shared).flat_map(|(operation, ids)| {
        let roles = ROLES.into_iter().filter(|role| operation.changes_nothing(*role));
        roles.map(move |role| async move {
            let ids = ids.for_role(role, clients);
            check(operation, role, &operation.call(clients.of(role), &ids, inputs).await)
        })
    });
    let mut results: Vec<_> = stream::iter(unchanging).buffer_unordered(CONCURRENCY).collect().await;
    assert_eq!(
        clients.visible_state().await,
        before,
        "a request that reads or is rejected has changed something"
    );

    for operation in &operations {
        for role in ROLES.into_iter().filter(|role| !operation.changes_nothing(*role)) {
            let has_account = [Role::Owner, Role::OtherUser, Role::Admin].contains(&role);
            let client = if has_account && operation.changes_account() {
                register((role == Role::Admin).then_some(&clients.admin), guest).await
            } else {
                clients.of(role).clone()
            };
            let owner = if role == Role::Owner { &client } else { &clients.owner };
            let ids = Ids::create(clients, owner, &operation.path, product).await.for_role(role, clients);
            results.push(check(operation, role, &operation.call(&client, &ids, inputs).await));
        }
    }
    let failures: Vec<_> = results.iter().filter_map(|result| result.as_ref().err().cloned()).collect();
    println!("{} cells, {} wrong", results.len(), failures.len());
    assert_eq!(results.len(), cells);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Compares the response with what the role may do.
fn check(operation: &Operation, role: Role, response: &Response) -> Result<(), String> {
    let expected = operation.expected(role);
    let outcome = match (response.status, response.code()) {
        (401, "unauthenticated") => Outcome::Unauthenticated,
        (401, "invalid_token" | "expired_token" | "session_ended") => Outcome::InvalidToken,
        (403, _) => Outcome::Forbidden,
        // Only the owner's cart has the line.
        (404, "item_not_found") if role != Role::Owner => Outcome::Allowed,
        // Nothing has this id.
        (404, _) if operation.has_unknown_id() => Outcome::Allowed,
        // Only a store with Stripe has the webhook.
        (404, _) if operation.path.contains("/webhooks/") => Outcome::Allowed,
        (404, _) => Outcome::NotFound,
        (500.., "mail_not_configured") => Outcome::Allowed,
        (500.., _) => Outcome::Failed,
        _ => Outcome::Allowed,
    };
    if outcome == expected {
        return Ok(());
    }
    let Operation { method, path, .. } = operation;
    Err(format!("{method} {path} as {role:?}: {outcome:?}, not {expected:?}: {response:?}"))
}

#[tokio::test]
async fn every_operation_serves_only_its_roles_in_one_process() {
    let database = store::database().await;
    let expired = expired_token(&database).await;
    let store = TestStore::start_on(database.url().parse().unwrap(), StoreOptions::default()).await;
    assert_matrix(store.guest(), &expired).await;
    store.verify().await;
}

#[tokio::test]
async fn every_operation_serves_only_its_roles_in_five_processes() {
    let database = store::database().await;
    let expired = expired_token(&database).await;
    let stripe = payments::stripe().await;
    let store = Processes::start(&database, &stripe, "http://127.0.0.1", |name| {
        let mut command = process::command(env!("CARGO_BIN_EXE_bodega"));
        command.args(["serve", name]).env("BODEGA_REQUEST_TIMEOUT", "60").env("BODEGA_RATE_LIMITS", "off");
        command
    })
    .await;
    assert_matrix(&store.guest, &expired).await;
    store.stop().await;
    store::verify(&database.url().parse().unwrap()).await;
}
