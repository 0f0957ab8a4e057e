//! A shop that takes cards: Stripe is a stand-in, spoken to over HTTP as Stripe is.

use std::time::Duration;

use bodega_order::{PaymentArgs, PaymentProviders};
use bodega_stripe_double::{Card, ChargeStatus, Fault, IntentStatus, Operation, Options, StripeDouble};
use clap::Parser;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;

use crate::harness::store::{Person, Plan, Response, Shop, database, eventually};

/// Where a shop hears of its payments.
pub(crate) const WEBHOOK: &str = "/api/webhooks/stripe";

/// What the store asks of Stripe; confirming is the shopper's.
const CALLS_OF_THE_STORE: [Operation; 4] =
    [Operation::Create, Operation::Cancel, Operation::Refund, Operation::Retrieve];

/// A shop that takes cards, and who moves the money.
pub(crate) struct Till {
    pub(crate) shop: Shop,
    pub(crate) stripe: StripeDouble,
}

impl Till {
    /// A shop that hears of every payment at once.
    pub(crate) async fn open() -> Self {
        Self::open_as(&[]).await
    }

    /// The same, with more options for its payments.
    pub(crate) async fn open_as(options: &[&str]) -> Self {
        let till = Self::open_deaf(options).await;
        till.listen();
        till
    }

    /// A shop that no event gets to.
    pub(crate) async fn open_deaf(options: &[&str]) -> Self {
        Self::open_on(database().await.url().parse().unwrap(), options).await
    }

    /// The same, on a database that was [prepared](crate::harness::store::prepare).
    pub(crate) async fn open_on(owner: PgConnectOptions, options: &[&str]) -> Self {
        let stripe = stripe().await;
        let plan = Plan { payments: payments(&stripe, options), connections: 10, ..Plan::default() };
        Self { shop: Shop::open(owner, plan).await, stripe }
    }

    /// Lets the shop hear of payments from now on.
    pub(crate) fn listen(&self) {
        self.stripe.deliver_to(&self.shop.url(WEBHOOK));
    }

    /// Somebody who has ordered two of something that costs 19.99 and of which there were a hundred.
    pub(crate) async fn order(&self, name: &str) -> (Person, Value) {
        let mug = self.shop.admin().create_product("Mug", "19.99", 100).await;
        let buyer = self.shop.register(name).await;
        let order = buyer.buy(mug, 2).await;
        (buyer, order)
    }

    /// The same, paid for by card.
    pub(crate) async fn paid_order(&self, name: &str) -> (Person, Value) {
        let (buyer, order) = self.order(name).await;
        let intent = buyer.begin_payment(&order).await.expect(200).json;
        self.pay(&intent, Card::Visa).await;
        let order = buyer.see_order(&order, "paid").await;
        (buyer, order)
    }

    /// Pays as a browser does; where Stripe says that the intent is then.
    pub(crate) async fn pay(&self, intent: &Value, card: Card) -> String {
        pay(&self.stripe, intent, card).await
    }

    /// Where Stripe says that an intent is.
    pub(crate) fn status_of(&self, intent: &Value) -> IntentStatus {
        self.stripe.intent(intent["paymentIntentId"].as_str().unwrap()).unwrap().status
    }

    /// Fails unless everything adds up, here and at Stripe: an order that is paid by card has one charge of its total
    /// that was not given back, and no other order has any.
    pub(crate) async fn verify(&self) {
        self.shop.verify().await;
        assert_eq!(self.stripe.check(), Vec::<String>::new());
        let kept: Vec<(String, i64)> = sqlx::query_as(
            "select order_id::text, amount_minor from orders.payments
             where provider = 'stripe' and status = 'completed' order by 1",
        )
        .fetch_all(&self.shop.sql().await)
        .await
        .unwrap();
        let charges = self.stripe.charges();
        let at_stripe =
            charges.iter().filter(|it| it.status == ChargeStatus::Succeeded && it.amount_refunded == 0);
        let mut at_stripe: Vec<_> =
            at_stripe.map(|charge| (charge.metadata["order_id"].clone(), charge.amount)).collect();
        at_stripe.sort();
        assert_eq!(at_stripe, kept);
    }
}

/// A Stripe that answers.
pub(crate) async fn stripe() -> StripeDouble {
    StripeDouble::start(Options::default()).await.unwrap()
}

/// Lets nothing that the store asks of Stripe get there, until it is healed. Shoppers can pay.
pub(crate) fn break_down(stripe: &StripeDouble) {
    fail_always(stripe, Fault::DropBefore);
}

/// Lets Stripe do all that the store asks for, and never say so, until it is healed.
pub(crate) fn hang(stripe: &StripeDouble) {
    fail_always(stripe, Fault::DelayAfter(Duration::from_secs(600)));
}

fn fail_always(stripe: &StripeDouble, fault: Fault) {
    CALLS_OF_THE_STORE.into_iter().for_each(|call| stripe.fail_sometimes(call, fault, 1.0));
}

/// Pays as a browser does, until it is known how it went; where Stripe says that the intent is then.
pub(crate) async fn pay(stripe: &StripeDouble, intent: &Value, card: Card) -> String {
    match stripe.confirm(intent["clientSecret"].as_str().unwrap(), card).await {
        Ok(intent) => intent["status"].as_str().unwrap().to_owned(),
        Err(cause) => panic!("{cause}"),
    }
}

/// Ways to be paid that lead to the stand-in.
pub(crate) fn payments(stripe: &StripeDouble, options: &[&str]) -> PaymentProviders {
    #[derive(Parser)]
    struct Told {
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
    Told::parse_from(arguments).payments.providers().unwrap()
}

/// The same, as variables of a process.
pub(crate) fn variables(stripe: &StripeDouble) -> [(&'static str, String); 4] {
    let Options { secret_key, publishable_key, webhook_secret, .. } = stripe.options().clone();
    [
        ("STRIPE_SECRET_KEY", secret_key),
        ("STRIPE_PUBLISHABLE_KEY", publishable_key),
        ("STRIPE_WEBHOOK_SECRET", webhook_secret),
        ("BODEGA_STRIPE_URL", stripe.url().to_owned()),
    ]
}

/// Where an order is.
pub(crate) fn path_of(order: &Value) -> String {
    format!("/api/orders/{}", order["id"].as_str().unwrap())
}

/// Who moves its money, and where that stands: `stripe completed`.
pub(crate) fn payment_of(order: &Value) -> String {
    let payment = &order["payment"];
    match (payment["provider"].as_str(), payment["status"].as_str()) {
        (Some(provider), Some(status)) => format!("{provider} {status}"),
        _ => "none".to_owned(),
    }
}

/// Its history: `pending`, `pending requires_payment`, `paid completed`.
pub(crate) fn history(order: &Value) -> Vec<String> {
    let entries = order["history"].as_array().unwrap().iter();
    let text = |entry: &Value| {
        let words = [&entry["status"], &entry["payment"]].into_iter().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(" ")
    };
    entries.map(text).collect()
}

impl Person {
    /// Asks for what it takes to pay an order.
    pub(crate) async fn begin_payment(&self, order: &Value) -> Response {
        self.post_nothing(&format!("{}/payment", path_of(order))).await
    }

    /// Cancels an order.
    pub(crate) async fn cancel(&self, order: &Value) -> Response {
        self.post_nothing(&format!("{}/cancel", path_of(order))).await
    }

    /// An order as it is now.
    pub(crate) async fn order(&self, order: &Value) -> Value {
        self.get(&path_of(order)).await.expect(200).json
    }

    /// Waits until an order is in this state; the order.
    pub(crate) async fn see_order(&self, order: &Value, status: &str) -> Value {
        eventually(&format!("the order is {status}"), async || self.order(order).await["status"] == status)
            .await;
        self.order(order).await
    }

    /// Waits until the payment of an order is in this state; the order.
    pub(crate) async fn see_payment(&self, order: &Value, payment: &str) -> Value {
        let is_so = async || payment_of(&self.order(order).await) == payment;
        eventually(&format!("the payment is {payment}"), is_so).await;
        self.order(order).await
    }
}
