//! A test store that accepts cards, with a test double for Stripe.

use std::time::Duration;

use bodega_order::{OrderMail, PaymentArgs, PaymentProviders};
use bodega_stripe_double::{Card, ChargeStatus, Fault, IntentStatus, Operation, Options, StripeDouble};
use clap::Parser;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

use crate::harness::store::{Client, Response, StoreOptions, TestStore, database, eventually};

/// The path of the webhook.
pub(crate) const WEBHOOK: &str = "/api/webhooks/stripe";

/// Stripe operations that the store calls; clients call `Confirm`.
const STORE_OPERATIONS: [Operation; 4] =
    [Operation::Create, Operation::Cancel, Operation::Refund, Operation::Retrieve];

/// A store that accepts cards, and its Stripe.
pub(crate) struct PaymentTest {
    pub(crate) store: TestStore,
    pub(crate) stripe: StripeDouble,
}

impl PaymentTest {
    /// Starts a store that receives webhook events.
    pub(crate) async fn start() -> Self {
        Self::start_with_options(&[]).await
    }

    /// Starts a store that receives webhook events, with further payment options.
    pub(crate) async fn start_with_options(options: &[&str]) -> Self {
        let test = Self::start_without_webhooks(options).await;
        test.enable_webhooks();
        test
    }

    /// Starts a store that receives no webhook events.
    pub(crate) async fn start_without_webhooks(options: &[&str]) -> Self {
        Self::start_on(database().await.url().parse().unwrap(), options).await
    }

    /// Starts a store that receives no webhook events, on a database that was [prepared](crate::harness::store::prepare).
    pub(crate) async fn start_on(owner: PgConnectOptions, options: &[&str]) -> Self {
        Self::start_store(owner, options, OrderMail::default()).await
    }

    /// Starts a store that receives no webhook events, and sends mail.
    pub(crate) async fn start_with_mail(mail: OrderMail) -> Self {
        Self::start_store(database().await.url().parse().unwrap(), &[], mail).await
    }

    async fn start_store(owner: PgConnectOptions, options: &[&str], mail: OrderMail) -> Self {
        let stripe = stripe().await;
        let payments = payments(&stripe, options);
        let store_options = StoreOptions { payments, mail, connections: 10, ..StoreOptions::default() };
        Self { store: TestStore::start_on(owner, store_options).await, stripe }
    }

    /// Delivers webhook events to the store from now on.
    pub(crate) fn enable_webhooks(&self) {
        self.stripe.deliver_to(&self.store.url(WEBHOOK));
    }

    /// Registers a user who orders two of 100 units, at 19.99.
    pub(crate) async fn order(&self, name: &str) -> (Client, Value) {
        let mug = self.store.admin().create_product("Mug", "19.99", 100).await;
        let buyer = self.store.register(name).await;
        let order = buyer.buy(mug, 2).await;
        (buyer, order)
    }

    /// Registers a user who orders two of 100 units and pays by card.
    pub(crate) async fn paid_order(&self, name: &str) -> (Client, Value) {
        let (buyer, order) = self.order(name).await;
        let intent = buyer.start_payment(&order).await.expect(200).json;
        self.pay(&intent, Card::Visa).await;
        let order = buyer.wait_for_order(&order, "paid").await;
        (buyer, order)
    }

    /// Confirms the intent as a browser does; returns its status.
    pub(crate) async fn pay(&self, intent: &Value, card: Card) -> String {
        pay(&self.stripe, intent, card).await
    }

    /// The status of an intent at Stripe.
    pub(crate) fn status_of(&self, intent: &Value) -> IntentStatus {
        self.stripe.intent(intent["paymentIntentId"].as_str().unwrap()).unwrap().status
    }

    /// Asserts that the data is consistent, in the store and at Stripe: an order that is paid by card has exactly one charge
    /// that is not refunded, and no other order has one.
    pub(crate) async fn verify(&self) {
        self.store.verify().await;
        assert_eq!(self.stripe.check(), Vec::<String>::new());
        let stored: Vec<(String, i64)> = sqlx::query_as(
            "select order_id::text, amount_minor from orders.payments
             where provider = 'stripe' and status = 'completed' order by 1",
        )
        .fetch_all(&self.store.sql().await)
        .await
        .unwrap();
        let charges = self.stripe.charges();
        let at_stripe =
            charges.iter().filter(|it| it.status == ChargeStatus::Succeeded && it.amount_refunded == 0);
        let mut at_stripe: Vec<_> =
            at_stripe.map(|charge| (charge.metadata["order_id"].clone(), charge.amount)).collect();
        at_stripe.sort();
        assert_eq!(at_stripe, stored);
    }
}

/// Starts a Stripe double.
pub(crate) async fn stripe() -> StripeDouble {
    StripeDouble::start(Options::default()).await.unwrap()
}

/// Drops the store's requests to Stripe before they arrive, until the faults are cleared. Clients can still pay.
pub(crate) fn make_unreachable(stripe: &StripeDouble) {
    fail_always(stripe, Fault::DropBefore);
}

/// Executes the store's requests at Stripe without a response, until the faults are cleared.
pub(crate) fn withhold_responses(stripe: &StripeDouble) {
    fail_always(stripe, Fault::DelayAfter(Duration::from_secs(600)));
}

fn fail_always(stripe: &StripeDouble, fault: Fault) {
    STORE_OPERATIONS.into_iter().for_each(|call| stripe.fail_sometimes(call, fault, 1.0));
}

/// Confirms an intent as a browser does; returns its status.
pub(crate) async fn pay(stripe: &StripeDouble, intent: &Value, card: Card) -> String {
    match stripe.confirm(intent["clientSecret"].as_str().unwrap(), card).await {
        Ok(intent) => intent["status"].as_str().unwrap().to_owned(),
        Err(error) => panic!("{error}"),
    }
}

/// The settings of payments with the Stripe double.
pub(crate) fn payments(stripe: &StripeDouble, options: &[&str]) -> PaymentProviders {
    #[derive(Parser)]
    struct PaymentArguments {
        #[command(flatten)]
        payments: PaymentArgs,
    }
    let Options { secret_key, publishable_key, webhook_secret, .. } = stripe.options();
    let keys = [
        ["--stripe-secret-key", secret_key],
        ["--stripe-publishable-key", publishable_key],
        ["--stripe-webhook-secret", webhook_secret],
        ["--stripe-url", stripe.url()],
    ];
    let arguments = ["test"].into_iter().chain(keys.into_iter().flatten()).chain(options.iter().copied());
    PaymentArguments::parse_from(arguments).payments.providers().unwrap()
}

/// The settings of payments with the Stripe double, as environment variables.
pub(crate) fn variables(stripe: &StripeDouble) -> [(&'static str, String); 4] {
    let Options { secret_key, publishable_key, webhook_secret, .. } = stripe.options().clone();
    [
        ("STRIPE_SECRET_KEY", secret_key),
        ("STRIPE_PUBLISHABLE_KEY", publishable_key),
        ("STRIPE_WEBHOOK_SECRET", webhook_secret),
        ("BODEGA_STRIPE_URL", stripe.url().to_owned()),
    ]
}

/// The path of an order.
pub(crate) fn path_of(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

/// Provider and status of the payment: `stripe completed`.
pub(crate) fn payment_of(order: &Value) -> String {
    let payment = &order["payment"];
    match (payment["provider"].as_str(), payment["status"].as_str()) {
        (Some(provider), Some(status)) => format!("{provider} {status}"),
        _ => "none".to_owned(),
    }
}

/// The order's history: `pending`, `pending requires_payment`, `paid completed`.
pub(crate) fn history(order: &Value) -> Vec<String> {
    let entries = order["history"].as_array().unwrap().iter();
    let text = |entry: &Value| {
        let words = [&entry["status"], &entry["payment"]].into_iter().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(" ")
    };
    entries.map(text).collect()
}

impl Client {
    /// Starts the payment of an order.
    pub(crate) async fn start_payment(&self, order: &Value) -> Response {
        self.post_empty(&format!("{}/payment", path_of(order))).await
    }

    pub(crate) async fn cancel(&self, order: &Value) -> Response {
        self.post_empty(&format!("{}/cancel", path_of(order))).await
    }

    /// Returns the current order.
    pub(crate) async fn order(&self, order: &Value) -> Value {
        self.get(&path_of(order)).await.expect(200).json
    }

    /// Waits until an order has this status; returns the order.
    pub(crate) async fn wait_for_order(&self, order: &Value, status: &str) -> Value {
        eventually(&format!("the order is {status}"), async || self.order(order).await["status"] == status)
            .await;
        self.order(order).await
    }

    /// Waits until the payment of an order has this status; returns the order.
    pub(crate) async fn wait_for_payment(&self, order: &Value, payment: &str) -> Value {
        let condition = async || payment_of(&self.order(order).await) == payment;
        eventually(&format!("the payment is {payment}"), condition).await;
        self.order(order).await
    }
}
