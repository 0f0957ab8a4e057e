//! A shop to test in: the service under test, its neighbours, and the words of the trade.

use std::time::Duration;

use bodega_embedded_postgres::testing::{TestDatabase, database};
use bodega_order::{MIGRATOR, PaymentProviders, SCHEMA, Upstreams};
use bodega_proto::{
    cart::v1::checkout_service_server::CheckoutServiceServer,
    catalog::v1::stock_service_server::StockServiceServer,
    order::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderStatus, PlaceOrderRequest, UpdateOrderStatusRequest,
        order_service_client::OrderServiceClient,
        payment_webhook_service_client::PaymentWebhookServiceClient,
    },
};
use bodega_runtime::{
    auth::{Caller, Role},
    context::CallContext,
    database::{migrate, pool},
    server::Service,
    status,
    transport::Transport,
};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    service::{Interceptor, Routes, interceptor::InterceptedService},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::{fake_cart::FakeCart, fake_catalog::FakeCatalog};

pub(crate) const MUG: i32 = 1;
pub(crate) const PEN: i32 = 2;
pub(crate) const HAT: i32 = 3;
pub(crate) const MUG_PRICE: i64 = 1000;
pub(crate) const PEN_PRICE: i64 = 250;

pub(crate) type Client = OrderServiceClient<InterceptedService<Transport, ActAs>>;

/// Makes a client's calls those of a caller.
#[derive(Clone)]
pub(crate) struct ActAs(Caller);

impl Interceptor for ActAs {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.extensions_mut().insert(self.0.clone());
        Ok(request)
    }
}

pub(crate) struct Shop {
    pub(crate) cart: FakeCart,
    pub(crate) catalog: FakeCatalog,
    pub(crate) db: PgPool,
    database: TestDatabase,
    payments: PaymentProviders,
    replica: Replica,
}

/// One running instance of the service.
pub(crate) struct Replica {
    pub(crate) service: Service,
    shutdown: CancellationToken,
}

impl Replica {
    /// Ends it, loops included.
    pub(crate) async fn kill(self) {
        self.shutdown.cancel();
        self.service.stop().await;
    }

    pub(crate) fn client(&self, user: Uuid, role: Role) -> Client {
        client(&self.service, user, role)
    }

    /// The way for what payment providers tell.
    pub(crate) fn events(&self) -> PaymentWebhookServiceClient<Transport> {
        PaymentWebhookServiceClient::new(Transport::unauthenticated(self.service.routes()))
    }
}

fn client(service: &Service, user: Uuid, role: Role) -> Client {
    let caller = Caller { user_id: user, session_id: Uuid::now_v7(), role };
    OrderServiceClient::with_interceptor(Transport::unauthenticated(service.routes()), ActAs(caller))
}

impl Shop {
    /// With 1000 mugs, 1000 pens and no hat.
    pub(crate) async fn open() -> Self {
        Self::paid_by(PaymentProviders::offline()).await
    }

    /// The same, paid for in this way.
    pub(crate) async fn paid_by(payments: PaymentProviders) -> Self {
        let database =
            database("order", |url| async move { migrate(&url.parse()?, SCHEMA, &MIGRATOR).await });
        let database = database.await;
        let (cart, catalog) = (FakeCart::default(), FakeCatalog::default());
        catalog.stock(MUG, "Mug", MUG_PRICE, 1000);
        catalog.stock(PEN, "Pen", PEN_PRICE, 1000);
        catalog.stock(HAT, "Hat", 3000, 0);
        let db = pool(database.url().parse().unwrap(), 4, "test");
        let replica = replica(&database.url(), &cart, &catalog, &payments).await;
        Self { cart, catalog, db, database, payments, replica }
    }

    /// One more instance of the service.
    pub(crate) async fn replica(&self) -> Replica {
        replica(&self.database.url(), &self.cart, &self.catalog, &self.payments).await
    }

    /// Ends the first instance and starts another in its place.
    pub(crate) async fn restart(&mut self) {
        let replica = self.replica().await;
        std::mem::replace(&mut self.replica, replica).kill().await;
    }

    /// Restarts paid for in another way; how it was before.
    pub(crate) async fn now_paid_by(&mut self, payments: PaymentProviders) -> PaymentProviders {
        let before = std::mem::replace(&mut self.payments, payments);
        self.restart().await;
        before
    }

    /// Starts one more instance, where it is called: in a process of its own, say.
    pub(crate) fn starter(&self) -> impl AsyncFnOnce() -> Replica + Send + 'static {
        let (url, cart, catalog) = (self.database.url(), self.cart.clone(), self.catalog.clone());
        let payments = self.payments.clone();
        async move || replica(&url, &cart, &catalog, &payments).await
    }

    /// A new shopper with these in the cart, seen at today's prices.
    pub(crate) fn shopper(&self, lines: &[(i32, i32)]) -> Uuid {
        let user = Uuid::now_v7();
        self.put(user, lines);
        user
    }

    /// Puts more into a cart.
    pub(crate) fn put(&self, user: Uuid, lines: &[(i32, i32)]) {
        for (product, quantity) in lines {
            let price = if *product == MUG { MUG_PRICE } else { PEN_PRICE };
            self.cart.put(user, *product, *quantity, price);
        }
    }

    pub(crate) fn events(&self) -> PaymentWebhookServiceClient<Transport> {
        self.replica.events()
    }

    pub(crate) fn client(&self, user: Uuid) -> Client {
        self.replica.client(user, Role::User)
    }

    pub(crate) fn admin(&self) -> Client {
        self.replica.client(Uuid::now_v7(), Role::Admin)
    }

    /// Places an order; an empty key for none.
    pub(crate) async fn place(&self, user: Uuid, key: &str) -> Result<Order, Status> {
        place(self.client(user), key, None).await
    }

    /// Places an order of just this total.
    pub(crate) async fn place_at(&self, user: Uuid, key: &str, total_minor: i64) -> Result<Order, Status> {
        place(self.client(user), key, Some(total_minor)).await
    }

    /// Has an order placed for a new shopper.
    pub(crate) async fn order(&self, lines: &[(i32, i32)]) -> Order {
        let user = self.shopper(lines);
        self.place(user, "").await.unwrap()
    }

    pub(crate) async fn cancel(&self, user: Uuid, id: &str) -> Result<Order, Status> {
        let request = CancelOrderRequest { id: id.to_owned() };
        let answer = patiently(self.client(user).cancel_order(request)).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    /// An admin moves an order.
    pub(crate) async fn change(&self, id: &str, to: OrderStatus) -> Result<Order, Status> {
        let request = UpdateOrderStatusRequest { id: id.to_owned(), status: to.into() };
        Ok(patiently(self.admin().update_order_status(request)).await?.into_inner().order.unwrap())
    }

    pub(crate) async fn get(&self, id: &str) -> Order {
        let answer = self.admin().get_order(GetOrderRequest { id: id.to_owned() }).await.unwrap();
        answer.into_inner().order.unwrap()
    }

    /// How many orders the shopper has, attempts not counted.
    pub(crate) async fn orders_of(&self, user: Uuid) -> i64 {
        sqlx::query_scalar("select count(*) from orders.orders where user_id = $1 and placed_at is not null")
            .bind(user)
            .fetch_one(&self.db)
            .await
            .unwrap()
    }
}

async fn replica(url: &str, cart: &FakeCart, catalog: &FakeCatalog, payments: &PaymentProviders) -> Replica {
    let upstreams = Upstreams {
        cart: Transport::unauthenticated(Routes::new(CheckoutServiceServer::new(cart.clone()))),
        catalog: Transport::unauthenticated(Routes::new(StockServiceServer::new(catalog.clone()))),
    };
    let db = pool(url.parse().unwrap(), 10, "bodega-order");
    let shutdown = CancellationToken::new();
    let service = bodega_order::start(db, upstreams, payments.clone(), shutdown.clone()).await.unwrap();
    Replica { service, shutdown }
}

pub(crate) async fn place(
    mut client: Client,
    key: &str,
    expected_total_minor: Option<i64>,
) -> Result<Order, Status> {
    let request = PlaceOrderRequest { idempotency_key: key.to_owned(), expected_total_minor };
    Ok(patiently(client.place_order(request)).await?.into_inner().order.unwrap())
}

/// Makes a call as one who waits for as long as the gateway.
pub(crate) async fn as_gateway<F: Future>(call: F) -> F::Output {
    waiting(Duration::from_millis(1900), call).await
}

/// Makes a call as one who waits for long, unless it is made in another way already.
pub(crate) async fn patiently<F: Future>(call: F) -> F::Output {
    match CallContext::current().deadline {
        Some(_) => call.await,
        None => waiting(Duration::from_secs(10), call).await,
    }
}

async fn waiting<F: Future>(time: Duration, call: F) -> F::Output {
    let deadline = Some(Instant::now() + time);
    CallContext { deadline, ..CallContext::default() }.scope(call).await
}

/// The reason of a rejection.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    status::reason(&answer.unwrap_err())
}

/// What a rejection names, and what it says of it.
pub(crate) fn named(status: &Status) -> Vec<(String, String)> {
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    let violations = violations.unwrap_or_default().into_iter();
    violations.map(|violation| (violation.field, violation.description)).collect()
}

/// The order's lines as product and quantity.
pub(crate) fn lines(order: &Order) -> Vec<(i32, i32)> {
    order.items.iter().map(|item| (item.product_id, item.quantity)).collect()
}

/// The order's id as the database has it.
pub(crate) fn id(order: &Order) -> Uuid {
    order.id.parse().unwrap()
}

/// The states that an order went through.
pub(crate) fn history(order: &Order) -> Vec<OrderStatus> {
    let mut states: Vec<_> = order.history.iter().map(|event| event.status()).collect();
    states.dedup(); // steps of the payment alone
    states
}
