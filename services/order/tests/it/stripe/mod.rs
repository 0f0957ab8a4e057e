//! Card payments: the service with the Stripe double (`bodega-stripe-double`), which sends it webhook events.

mod failed_refunds;
mod intents;
mod lost_responses;
mod partial_refunds;
mod reconciliation;
mod refunds;
mod reviews;
mod webhooks;

use std::{
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

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

use crate::{
    replica::Client,
    test_app::{MUG, TestApp, with_long_deadline},
};

/// A [`TestApp`] with card payments.
pub(crate) struct StripeApp {
    app: TestApp,
    pub(crate) stripe: StripeDouble,
    webhook_server: JoinHandle<()>,
}

impl Deref for StripeApp {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl DerefMut for StripeApp {
    fn deref_mut(&mut self) -> &mut TestApp {
        &mut self.app
    }
}

impl Drop for StripeApp {
    fn drop(&mut self) {
        self.webhook_server.abort();
    }
}

/// The flags of a process.
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

impl StripeApp {
    pub(crate) async fn start() -> Self {
        Self::with_payment_window("off").await
    }

    /// Starts the service with this payment window.
    pub(crate) async fn with_payment_window(window: &str) -> Self {
        let stripe = StripeDouble::start(Options::default()).await.unwrap();
        let app = TestApp::with_providers(payments(&stripe, window)).await;
        let webhook_server = webhook_server(&stripe, app.events()).await;
        Self { app, stripe, webhook_server }
    }

    /// Creates the payment intent of an order as its owner.
    pub(crate) async fn create_intent(&self, order: &Order) -> Result<PaymentIntent, Status> {
        create_intent(self.client(order.user_id.parse().unwrap()), &order.id).await
    }

    /// Returns a new order that is paid by card.
    pub(crate) async fn paid_order(&self) -> Order {
        let order = self.new_order(&[(MUG, 1)]).await;
        let intent = self.create_intent(&order).await.unwrap();
        self.stripe.confirm(&intent.client_secret, Card::Visa).await.unwrap();
        self.stripe.delivered().await;
        let order = self.get(&order.id).await;
        assert_eq!(order.status(), OrderStatus::Paid);
        order
    }

    /// Refunds an order's charge as a merchant does at Stripe; in full if there is no amount.
    pub(crate) async fn refund_at_stripe(&self, order: &Order, amount: Option<i64>) {
        let mut form = vec![("payment_intent", self.stripe.intents_of(&order.id)[0].id.clone())];
        form.extend(amount.map(|amount| ("amount", amount.to_string())));
        let url = format!("{}/v1/refunds", self.stripe.url());
        let key = &self.stripe.options().secret_key;
        let response = reqwest::Client::new().post(url).bearer_auth(key).form(&form).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    /// Waits until the order and its payment have these statuses.
    pub(crate) async fn wait_for(
        &self,
        order: &Order,
        status: OrderStatus,
        payment: PaymentStatus,
        within: Duration,
    ) -> Order {
        let started = Instant::now();
        loop {
            let order = self.get(&order.id).await;
            if (order.status(), payment_of(&order)) == (status, payment) {
                return order;
            }
            assert!(started.elapsed() < within, "not {status:?} and {payment:?}: {order:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks the invariants, including those of the Stripe double.
    pub(crate) async fn assert_consistent(&self) {
        self.app.assert_consistent().await;
        assert_eq!(self.stripe.check(), Vec::<String>::new());
    }
}

/// Forwards webhook requests as the gateway does.
async fn webhook_server(
    stripe: &StripeDouble,
    events: PaymentWebhookServiceClient<Transport>,
) -> JoinHandle<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    stripe.deliver_to(&format!("http://{}/", listener.local_addr().unwrap()));
    let router = Router::new().route("/", post(forward)).with_state(events);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn forward(
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
        Err(error) if error.code() == tonic::Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

pub(crate) async fn create_intent(mut client: Client, id: &str) -> Result<PaymentIntent, Status> {
    let result = with_long_deadline(
        client.create_payment_intent(CreatePaymentIntentRequest { id: id.to_owned(), ..Default::default() }),
    )
    .await?;
    Ok(result.into_inner().intent.unwrap())
}

pub(crate) fn payment_of(order: &Order) -> PaymentStatus {
    order.payment.as_ref().map_or(PaymentStatus::Unspecified, |payment| payment.status())
}

/// Returns the payment statuses in the history.
pub(crate) fn payment_statuses(order: &Order) -> Vec<PaymentStatus> {
    let steps = order.history.iter().map(|event| event.payment());
    steps.filter(|payment| *payment != PaymentStatus::Unspecified).collect()
}

/// Returns an object with the values at these JSON pointers replaced.
pub(crate) fn with_values(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        *object.pointer_mut(pointer).unwrap() = value.clone();
    }
    object
}

/// Returns the type and outcome of each stored event.
pub(crate) async fn event_outcomes(app: &TestApp) -> Vec<(String, Option<String>)> {
    sqlx::query_as("select kind, outcome from orders.provider_events order by received_at")
        .fetch_all(&app.db)
        .await
        .unwrap()
}

/// Returns the id of a user without orders.
pub(crate) fn user_without_orders() -> Uuid {
    Uuid::now_v7()
}
