//! Paying by card: the service, a stand-in for Stripe, and the events between them.

mod paying;
mod proof;
mod reconciling;
mod refunding;
mod telling;

use std::time::{Duration, Instant};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use bodega_order::{PaymentArgs, PaymentProviders};
use bodega_proto::order::v1::{
    CreatePaymentIntentRequest, HandleWebhookEventRequest, Order, OrderStatus, PaymentIntent, PaymentStatus,
    payment_webhook_service_client::PaymentWebhookServiceClient,
};
use bodega_runtime::transport::Transport;
use bodega_stripe_double::{Card, Options, StripeDouble};
use clap::Parser;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::Status;
use uuid::Uuid;

use crate::shop::{Client, MUG, Shop, patiently};

/// A shop that is paid by card.
pub(crate) struct CardShop {
    pub(crate) shop: Shop,
    pub(crate) stripe: StripeDouble,
    gate: JoinHandle<()>,
}

impl Drop for CardShop {
    fn drop(&mut self) {
        self.gate.abort();
    }
}

/// Stripe's keys, as a process is told them.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    payments: PaymentArgs,
}

fn payments(stripe: &StripeDouble, window: &str) -> PaymentProviders {
    let Options { secret_key, publishable_key, webhook_secret, .. } = stripe.options();
    let arguments = [
        ["--stripe-secret-key", secret_key],
        ["--stripe-publishable-key", publishable_key],
        ["--stripe-webhook-secret", webhook_secret],
        ["--stripe-url", stripe.url()],
        ["--payment-window", window],
    ];
    let arguments = std::iter::once("order").chain(arguments.into_iter().flatten());
    Cli::parse_from(arguments).payments.providers().unwrap()
}

impl CardShop {
    pub(crate) async fn open() -> Self {
        Self::with_window("off").await
    }

    /// Where orders wait so long for their payment.
    pub(crate) async fn with_window(window: &str) -> Self {
        let stripe = StripeDouble::start(Options::default()).await.unwrap();
        let shop = Shop::paid_by(payments(&stripe, window)).await;
        let gate = gate(&stripe, shop.events()).await;
        Self { shop, stripe, gate }
    }

    /// The payment of an order, as its owner asks for it.
    pub(crate) async fn pay(&self, order: &Order) -> Result<PaymentIntent, Status> {
        pay(self.shop.client(order.user_id.parse().unwrap()), &order.id).await
    }

    /// An order whose owner has paid it, and knows that it arrived.
    pub(crate) async fn paid_order(&self) -> Order {
        let order = self.shop.order(&[(MUG, 1)]).await;
        let intent = self.pay(&order).await.unwrap();
        self.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        self.stripe.delivered().await;
        let order = self.shop.get(&order.id).await;
        assert_eq!(order.status(), OrderStatus::Paid);
        order
    }

    /// The order, once it and its payment are there.
    pub(crate) async fn until(
        &self,
        order: &Order,
        status: OrderStatus,
        payment: PaymentStatus,
        within: Duration,
    ) -> Order {
        let started = Instant::now();
        loop {
            let order = self.shop.get(&order.id).await;
            if (order.status(), payment_of(&order)) == (status, payment) {
                return order;
            }
            assert!(started.elapsed() < within, "not {status:?} and {payment:?}: {order:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that always holds, at Stripe too.
    pub(crate) async fn assert_sound(&self) {
        self.shop.assert_sound().await;
        assert_eq!(self.stripe.check(), Vec::<String>::new());
    }
}

/// Hands over what comes, as the gateway does.
async fn gate(stripe: &StripeDouble, events: PaymentWebhookServiceClient<Transport>) -> JoinHandle<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    stripe.deliver_to(&format!("http://{}/", listener.local_addr().unwrap()));
    let router = Router::new().route("/", post(take)).with_state(events);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn take(
    State(mut events): State<PaymentWebhookServiceClient<Transport>>,
    headers: HeaderMap,
    payload: Bytes,
) -> StatusCode {
    let signature = headers.get("stripe-signature").map(|value| value.to_str().unwrap().to_owned());
    let request = HandleWebhookEventRequest {
        provider: "stripe".to_owned(),
        payload: payload.to_vec(),
        signature: signature.unwrap_or_default(),
    };
    match events.handle_webhook_event(request).await {
        Ok(_) => StatusCode::OK,
        Err(refused) if refused.code() == tonic::Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

pub(crate) async fn pay(mut client: Client, id: &str) -> Result<PaymentIntent, Status> {
    let answer =
        patiently(client.create_payment_intent(CreatePaymentIntentRequest { id: id.to_owned() })).await?;
    Ok(answer.into_inner().intent.unwrap())
}

pub(crate) fn payment_of(order: &Order) -> PaymentStatus {
    order.payment.as_ref().map_or(PaymentStatus::Unspecified, |payment| payment.status())
}

/// What the payments came to, step by step.
pub(crate) fn payment_steps(order: &Order) -> Vec<PaymentStatus> {
    let steps = order.history.iter().map(|event| event.payment());
    steps.filter(|payment| *payment != PaymentStatus::Unspecified).collect()
}

/// An object of the API with other values in it.
pub(crate) fn altered(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        *object.pointer_mut(pointer).unwrap() = value.clone();
    }
    object
}

/// What came of each event that was stored, by its kind.
pub(crate) async fn outcomes(shop: &Shop) -> Vec<(String, Option<String>)> {
    sqlx::query_as("select kind, outcome from orders.provider_events order by received_at")
        .fetch_all(&shop.db)
        .await
        .unwrap()
}

/// A user's id that nobody has.
pub(crate) fn stranger() -> Uuid {
    Uuid::now_v7()
}
