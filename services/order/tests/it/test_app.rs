//! The test harness: the order service with fake upstreams.

use std::time::Duration;

use bodega_embedded_postgres::testing::{TestDatabase, database};
use bodega_events::Nats;
use bodega_order::{MIGRATOR, OrderMail, PaymentProviders, SCHEMA};
use bodega_proto::order::v1::{
    CancelOrderRequest, GetOrderRequest, Order, OrderStatus, PlaceOrderRequest, UpdateOrderStatusRequest,
    payment_webhook_service_client::PaymentWebhookServiceClient,
};
use bodega_runtime::{
    auth::Role,
    context::CallContext,
    database::{Pool, migrate, pool},
    status,
    transport::Transport,
};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::{
    fake_cart::FakeCart,
    fake_catalog::FakeCatalog,
    fake_contacts::FakeContacts,
    replica::{Client, Fakes, GuestClient, Replica, RulesClient, replica},
};

pub(crate) const MUG: i32 = 1;
pub(crate) const PEN: i32 = 2;
pub(crate) const HAT: i32 = 3;
pub(crate) const MUG_PRICE: i64 = 1000;
pub(crate) const PEN_PRICE: i64 = 250;

pub(crate) struct TestApp {
    pub(crate) cart: FakeCart,
    pub(crate) catalog: FakeCatalog,
    pub(crate) db: Pool,
    database: TestDatabase,
    payments: PaymentProviders,
    pub(crate) nats: Option<Nats>,
    mail: OrderMail,
    pub(crate) contacts: FakeContacts,
    replica: Replica,
}

impl TestApp {
    /// Starts the service with 1000 mugs, 1000 pens and no hats in stock.
    pub(crate) async fn start() -> Self {
        Self::with_providers(PaymentProviders::offline()).await
    }

    /// As [`TestApp::start`], with these payment providers.
    pub(crate) async fn with_providers(payments: PaymentProviders) -> Self {
        Self::start_with(payments, None, OrderMail::default()).await
    }

    /// As [`TestApp::start`], and publishes events.
    pub(crate) async fn with_nats(nats: Nats) -> Self {
        Self::start_with(PaymentProviders::offline(), Some(nats), OrderMail::default()).await
    }

    /// As [`TestApp::start`], with these settings of mail.
    pub(crate) async fn with_mail(mail: OrderMail) -> Self {
        Self::start_with(PaymentProviders::offline(), None, mail).await
    }

    async fn start_with(payments: PaymentProviders, nats: Option<Nats>, mail: OrderMail) -> Self {
        let database =
            database("order", |url| async move { migrate(&url.parse()?, SCHEMA, &MIGRATOR).await });
        let database = database.await;
        let (cart, catalog, contacts) =
            (FakeCart::default(), FakeCatalog::default(), FakeContacts::default());
        catalog.add_stock(MUG, "Mug", MUG_PRICE, 1000);
        catalog.add_stock(PEN, "Pen", PEN_PRICE, 1000);
        catalog.add_stock(HAT, "Hat", 3000, 0);
        // The tests' own queries have no need of the short timeouts of the service's pool.
        let db = Pool::new(database.url().parse().unwrap(), 4, Duration::from_secs(30));
        let fakes = (cart.clone(), catalog.clone(), contacts.clone());
        let replica = replica(&database.url(), fakes, &payments, nats.as_ref(), &mail).await;
        Self { cart, catalog, db, database, payments, nats, mail, contacts, replica }
    }

    /// Creates a pool with the settings of the service.
    pub(crate) fn service_pool(&self) -> Pool {
        pool(self.database.url().parse().unwrap(), 4, "test")
    }

    /// Starts another replica of the service.
    pub(crate) async fn replica(&self) -> Replica {
        let nats = self.nats.as_ref();
        replica(&self.database.url(), self.fakes(), &self.payments, nats, &self.mail).await
    }

    fn fakes(&self) -> Fakes {
        (self.cart.clone(), self.catalog.clone(), self.contacts.clone())
    }

    /// Stops the first replica and starts another one in its place.
    pub(crate) async fn restart(&mut self) {
        let replica = self.replica().await;
        std::mem::replace(&mut self.replica, replica).kill().await;
    }

    /// Stops the service and closes the connections of this test.
    pub(crate) async fn stop(self) {
        self.replica.kill().await;
        self.db.close().await;
    }

    /// Restarts with other payment providers, and returns the previous ones.
    pub(crate) async fn restart_with_providers(&mut self, payments: PaymentProviders) -> PaymentProviders {
        let before = std::mem::replace(&mut self.payments, payments);
        self.restart().await;
        before
    }

    /// Returns a function that starts another replica where it is called, such as in another tokio runtime.
    pub(crate) fn start_function(&self) -> impl AsyncFnOnce() -> Replica + Send + 'static {
        let (url, fakes) = (self.database.url(), self.fakes());
        let (payments, nats, mail) = (self.payments.clone(), self.nats.clone(), self.mail.clone());
        async move || replica(&url, fakes, &payments, nats.as_ref(), &mail).await
    }

    /// Returns a new user with these products in the cart, at current prices.
    pub(crate) fn user_with_cart(&self, lines: &[(i32, i32)]) -> Uuid {
        let user = Uuid::now_v7();
        self.add_to_cart(user, lines);
        user
    }

    /// Adds products to a cart.
    pub(crate) fn add_to_cart(&self, user: Uuid, lines: &[(i32, i32)]) {
        for (product, quantity) in lines {
            let price = if *product == MUG { MUG_PRICE } else { PEN_PRICE };
            self.cart.add(user, *product, *quantity, price);
        }
    }

    pub(crate) fn events(&self) -> PaymentWebhookServiceClient<Transport> {
        self.replica.events()
    }

    /// Returns a client without an account.
    pub(crate) fn guest_client(&self) -> GuestClient {
        self.replica.guest_client()
    }

    pub(crate) fn client(&self, user: Uuid) -> Client {
        self.replica.client(user, Role::User)
    }

    pub(crate) fn admin(&self) -> Client {
        self.replica.client(Uuid::now_v7(), Role::Admin)
    }

    /// Returns a client with an API key.
    pub(crate) fn api_key(&self, scope: &str) -> Client {
        self.replica.api_key(scope)
    }

    /// Returns an admin's client for settings, taxes, shipping zones and discounts.
    pub(crate) fn rules(&self) -> RulesClient {
        self.rules_as(Uuid::now_v7(), Role::Admin)
    }

    pub(crate) fn rules_as(&self, user: Uuid, role: Role) -> RulesClient {
        self.replica.rules(user, role)
    }

    /// Places an order. An empty `key` stands for none.
    pub(crate) async fn place(&self, user: Uuid, key: &str) -> Result<Order, Status> {
        place(self.client(user), key, None).await
    }

    /// Places an order that requires this total.
    pub(crate) async fn place_expecting(
        &self,
        user: Uuid,
        key: &str,
        total_minor: i64,
    ) -> Result<Order, Status> {
        place(self.client(user), key, Some(total_minor)).await
    }

    /// Places an order of a new user.
    pub(crate) async fn new_order(&self, lines: &[(i32, i32)]) -> Order {
        let user = self.user_with_cart(lines);
        self.place(user, "").await.unwrap()
    }

    pub(crate) async fn cancel(&self, user: Uuid, id: &str) -> Result<Order, Status> {
        let request = CancelOrderRequest { id: id.to_owned(), ..Default::default() };
        let result = with_long_deadline(self.client(user).cancel_order(request)).await?;
        Ok(result.into_inner().order.unwrap())
    }

    /// Changes the status of an order as an admin.
    pub(crate) async fn update_status(&self, id: &str, to: OrderStatus) -> Result<Order, Status> {
        let request = UpdateOrderStatusRequest { id: id.to_owned(), status: to.into() };
        Ok(with_long_deadline(self.admin().update_order_status(request)).await?.into_inner().order.unwrap())
    }

    pub(crate) async fn get(&self, id: &str) -> Order {
        let result = self
            .admin()
            .get_order(GetOrderRequest { id: id.to_owned(), ..Default::default() })
            .await
            .unwrap();
        result.into_inner().order.unwrap()
    }

    /// Returns the number of a user's placed orders.
    pub(crate) async fn orders_of(&self, user: Uuid) -> i64 {
        sqlx::query_scalar("select count(*) from orders.orders where user_id = $1 and placed_at is not null")
            .bind(user)
            .fetch_one(&self.db)
            .await
            .unwrap()
    }
}

pub(crate) async fn place(
    mut client: Client,
    key: &str,
    expected_total_minor: Option<i64>,
) -> Result<Order, Status> {
    let request = PlaceOrderRequest {
        idempotency_key: key.to_owned(),
        expected_total_minor,
        form: None,
        ..Default::default()
    };
    Ok(with_long_deadline(client.place_order(request)).await?.into_inner().order.unwrap())
}

/// Repeats a call that has the same effect however often it is made while the service is overloaded, at most for a minute.
pub(crate) async fn until_available<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    let started = Instant::now();
    loop {
        match with_long_deadline(call()).await {
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
                    && started.elapsed() < Duration::from_secs(60) => {}
            result => return result,
        }
    }
}

/// Makes a call with the gateway's deadline.
pub(crate) async fn with_gateway_deadline<F: Future>(call: F) -> F::Output {
    with_deadline(Duration::from_millis(1900), call).await
}

/// Makes a call with a long deadline, unless one is set already.
pub(crate) async fn with_long_deadline<F: Future>(call: F) -> F::Output {
    match CallContext::current().deadline {
        Some(_) => call.await,
        None => with_deadline(Duration::from_secs(10), call).await,
    }
}

async fn with_deadline<F: Future>(time: Duration, call: F) -> F::Output {
    let deadline = Some(Instant::now() + time);
    CallContext { deadline, ..CallContext::default() }.scope(call).await
}

/// Returns the reason of an error.
#[track_caller]
pub(crate) fn error_reason<T: std::fmt::Debug>(result: Result<T, Status>) -> String {
    status::reason(&result.unwrap_err())
}

/// Returns the rejected fields of an error, with their messages.
pub(crate) fn violations(status: &Status) -> Vec<(String, String)> {
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    let violations = violations.unwrap_or_default().into_iter();
    violations.map(|violation| (violation.field, violation.description)).collect()
}

/// Returns the product and quantity of every line.
pub(crate) fn lines(order: &Order) -> Vec<(i32, i32)> {
    order.items.iter().map(|item| (item.product_id, item.quantity)).collect()
}

/// Returns the id of an order.
pub(crate) fn id(order: &Order) -> Uuid {
    order.id.parse().unwrap()
}

/// Returns the statuses that an order has had.
pub(crate) fn history(order: &Order) -> Vec<OrderStatus> {
    let mut statuses: Vec<_> = order.history.iter().map(|event| event.status()).collect();
    statuses.dedup(); // without events of the payment alone
    statuses
}
