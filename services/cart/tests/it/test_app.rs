//! The test harness: a cart service and its clients.

use bodega_embedded_postgres::testing::{self, TestDatabase};
use bodega_proto::{
    cart::v1::{
        AddItemRequest, AddItemResponse, Cart, ClearCartRequest, ClearOrderedRequest, GetCartRequest,
        GetSnapshotRequest, GetSnapshotResponse, MergeGuestCartRequest, OrderedLine, RemoveItemRequest,
        SetItemRequest, cart_service_client::CartServiceClient,
        checkout_service_client::CheckoutServiceClient,
    },
    catalog::v1::{
        catalog_service_server::CatalogServiceServer, variant_service_server::VariantServiceServer,
    },
};
use bodega_runtime::{
    auth::{Caller, Role},
    database,
    database::Pool,
    guest_token::GuestToken,
    rate_limit::RateLimits,
    server::Service,
    status,
    transport::Transport,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Code, Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use uuid::Uuid;

use crate::fake_catalog::FakeCatalog;

/// Memory for cached products.
pub(crate) const CACHE_BYTES: usize = 1024 * 1024;

/// A cart service with its own database.
pub(crate) struct TestApp {
    pub(crate) catalog: FakeCatalog,
    pub(crate) db: Pool,
    routes: Routes,
    _service: Service,
    _shutdown: DropGuard,
    _database: TestDatabase,
}

/// Another service on the database of a [`TestApp`].
pub(crate) struct Replica {
    routes: Routes,
    _service: Service,
    _shutdown: DropGuard,
}

impl Replica {
    /// Returns a client of the same user that uses this replica.
    pub(crate) fn client_of(&self, user: &Client) -> Client {
        let caller = user.user_id.map(|user_id| Caller::new(user_id, Uuid::now_v7(), Role::User));
        let transport = Transport::unauthenticated(self.routes.clone());
        Client { client: CartServiceClient::with_interceptor(transport, ActAs(caller)), ..user.clone() }
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        let (database, db) = database().await;
        Self::start_with(database, db, FakeCatalog::new()).await
    }

    /// Starts on an existing database.
    pub(crate) async fn start_with(database: TestDatabase, db: Pool, catalog: FakeCatalog) -> Self {
        let shutdown = CancellationToken::new();
        let service = bodega_cart::start(
            db.clone(),
            catalog_at(&catalog),
            CACHE_BYTES,
            RateLimits::On,
            shutdown.clone(),
        )
        .await
        .unwrap();
        Self {
            catalog,
            db,
            routes: service.routes(),
            _service: service,
            _shutdown: shutdown.drop_guard(),
            _database: database,
        }
    }

    /// Starts another service on the same database.
    pub(crate) async fn replica(&self) -> Replica {
        let shutdown = CancellationToken::new();
        let db = database::pool((*self.db.connect_options()).clone(), 10, "cart");
        let service =
            bodega_cart::start(db, catalog_at(&self.catalog), CACHE_BYTES, RateLimits::On, shutdown.clone())
                .await
                .unwrap();
        Replica { routes: service.routes(), _service: service, _shutdown: shutdown.drop_guard() }
    }

    /// Returns a client of a new user.
    pub(crate) fn user(&self) -> Client {
        self.user_with_id(Uuid::now_v7())
    }

    pub(crate) fn user_with_id(&self, user_id: Uuid) -> Client {
        let caller = Caller::new(user_id, Uuid::now_v7(), Role::User);
        self.client_of(Some(caller), "")
    }

    /// Returns a client of the guest with `guest_token`.
    pub(crate) fn guest(&self, guest_token: &str) -> Client {
        self.client_of(None, guest_token)
    }

    /// Returns a client of a new guest with `quantity` of a product in the cart.
    pub(crate) async fn guest_with(&self, product_id: i32, quantity: i32) -> Client {
        let response = self.guest("").try_add(product_id, quantity).await.unwrap();
        self.guest(&response.guest_token)
    }

    fn client_of(&self, caller: Option<Caller>, guest_token: &str) -> Client {
        let transport = Transport::unauthenticated(self.routes.clone());
        Client {
            user_id: caller.as_ref().map(|caller| caller.user_id),
            guest_token: guest_token.to_owned(),
            client: CartServiceClient::with_interceptor(transport, ActAs(caller)),
        }
    }

    pub(crate) fn checkout(&self) -> CheckoutServiceClient<Transport> {
        CheckoutServiceClient::new(Transport::unauthenticated(self.routes.clone()))
    }

    pub(crate) async fn snapshot(&self, user: &Client) -> GetSnapshotResponse {
        let request = GetSnapshotRequest { user_id: user.id().to_string() };
        self.checkout().get_snapshot(request).await.unwrap().into_inner()
    }

    /// Removes the lines of an order from the user's cart.
    pub(crate) async fn clear_ordered(&self, order_id: Uuid, user: &Client, lines: &[(i32, i32)]) {
        let lines =
            lines.iter().map(|&(product_id, quantity)| OrderedLine { product_id, quantity }).collect();
        let user_id = user.id().to_string();
        let request = ClearOrderedRequest { order_id: order_id.to_string(), user_id, lines };
        self.checkout().clear_ordered(request).await.unwrap();
    }

    /// Returns the number of rows in `cart.carts`.
    pub(crate) async fn cart_count(&self) -> i64 {
        sqlx::query_scalar("select count(*) from cart.carts").fetch_one(&self.db).await.unwrap()
    }
}

/// Creates a migrated database.
pub(crate) async fn database() -> (TestDatabase, Pool) {
    let database = testing::database("cart", |url| async move {
        database::migrate(&url.parse()?, bodega_cart::SCHEMA, &bodega_cart::MIGRATOR).await
    })
    .await;
    let db = database::pool(database.url().parse().unwrap(), 10, "cart");
    (database, db)
}

pub(crate) fn catalog_at(catalog: &FakeCatalog) -> Transport {
    let routes = Routes::new(CatalogServiceServer::new(catalog.clone()));
    Transport::unauthenticated(routes.add_service(VariantServiceServer::new(catalog.clone())))
}

/// A client of the cart service.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) user_id: Option<Uuid>,
    pub(crate) guest_token: String,
    client: CartServiceClient<InterceptedService<Transport, ActAs>>,
}

impl Client {
    /// Returns the id of the user, or of the guest.
    pub(crate) fn id(&self) -> Uuid {
        self.user_id.unwrap_or_else(|| GuestToken::parse(&self.guest_token).unwrap().hash().guest_id())
    }

    /// Returns the same client with another guest token.
    pub(crate) fn with_guest_token(&self, guest_token: &str) -> Self {
        Self { guest_token: guest_token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self) -> Result<Cart, Status> {
        let request = GetCartRequest { guest_token: self.guest_token.clone() };
        Ok(self.client.clone().get_cart(request).await?.into_inner().cart.unwrap())
    }

    pub(crate) async fn try_add(&self, product_id: i32, quantity: i32) -> Result<AddItemResponse, Status> {
        let guest_token = self.guest_token.clone();
        let request = AddItemRequest { guest_token, product_id, quantity, variant_id: 0 };
        Ok(self.client.clone().add_item(request).await?.into_inner())
    }

    /// Adds a unit of a variant of a product; 0 is none.
    pub(crate) async fn add_variant(&self, product_id: i32, variant_id: i32) -> Result<Cart, Status> {
        let guest_token = self.guest_token.clone();
        let request = AddItemRequest { guest_token, product_id, quantity: 1, variant_id };
        Ok(self.client.clone().add_item(request).await?.into_inner().cart.unwrap())
    }

    pub(crate) async fn add(&self, product_id: i32, quantity: i32) -> Result<Cart, Status> {
        Ok(self.try_add(product_id, quantity).await?.cart.unwrap())
    }

    pub(crate) async fn set(&self, product_id: i32, quantity: i32) -> Result<Cart, Status> {
        let request = SetItemRequest { guest_token: self.guest_token.clone(), product_id, quantity };
        Ok(self.client.clone().set_item(request).await?.into_inner().cart.unwrap())
    }

    pub(crate) async fn remove(&self, product_id: i32) -> Result<Cart, Status> {
        let request = RemoveItemRequest { guest_token: self.guest_token.clone(), product_id };
        Ok(self.client.clone().remove_item(request).await?.into_inner().cart.unwrap())
    }

    pub(crate) async fn clear(&self) -> Result<Cart, Status> {
        let request = ClearCartRequest { guest_token: self.guest_token.clone() };
        Ok(self.client.clone().clear_cart(request).await?.into_inner().cart.unwrap())
    }

    pub(crate) async fn merge(&self, guest_token: &str) -> Result<(), Status> {
        let request = MergeGuestCartRequest { guest_token: guest_token.to_owned() };
        self.client.clone().merge_guest_cart(request).await.map(drop)
    }

    /// Returns the product and quantity of every line.
    pub(crate) async fn lines(&self) -> Vec<(i32, i32)> {
        lines(&self.get().await.unwrap())
    }
}

/// Makes calls on behalf of a user, or as a guest.
#[derive(Clone)]
struct ActAs(Option<Caller>);

impl Interceptor for ActAs {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(caller) = &self.0 {
            request.extensions_mut().insert(caller.clone());
        }
        Ok(request)
    }
}

/// Returns the product and quantity of every line.
pub(crate) fn lines(cart: &Cart) -> Vec<(i32, i32)> {
    cart.items.iter().map(|item| (item.product_id, item.quantity)).collect()
}

/// Returns the code and reason of an error.
pub(crate) fn rejection<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), status::reason(&status))
}
