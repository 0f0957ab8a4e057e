//! Guests: they order with the token of their cart, and read, pay, cancel and claim the order with its own token.

use std::time::Duration;

use bodega_stripe_double::{Card, StripeDouble};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    FAILURE_PAUSE, ProductSet,
    api::{ApiClient, Request, Response},
    order_path,
    session::Session,
};
use crate::journal::Journal;

const CART_TOKEN: &str = "x-cart-token";
const ORDER_TOKEN: &str = "x-order-token";
/// Longer than the delay of the fault `slow-stripe`.
const STRIPE_TIMEOUT: Duration = Duration::from_secs(12);

/// One guest after the other. Their requests are in a journal of their own, since they belong to no user.
pub(crate) struct Guest {
    api: ApiClient,
    /// The user who claims orders.
    account: Session,
    products: ProductSet,
    stripe: StripeDouble,
    rng: StdRng,
}

impl Guest {
    pub(crate) fn new(
        number: usize,
        seed: u64,
        url: &str,
        journal: Journal,
        stripe: StripeDouble,
        products: &ProductSet,
    ) -> Self {
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number as u64));
        let api = ApiClient::new(number, seed, products.http.clone(), url, journal);
        let account = ApiClient::new(number, seed, products.http.clone(), url, Journal::start());
        let email = format!("claimer-{number}-{seed}@chaos.example");
        let account =
            Session::new(account, "Claimer".to_owned(), email, format!("{:032x}", rand::random::<u128>()));
        Self { api, account, products: products.clone(), stripe, rng }
    }

    /// Orders until `stop` is cancelled.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.api.stop = stop.clone();
        self.account.api.stop = stop.clone();
        while !stop.is_cancelled() {
            if self.order().await.is_none() {
                let _ = self.api.pause(FAILURE_PAUSE).await;
            }
        }
    }

    async fn send(&mut self, request: &Request) -> Option<Response> {
        let attempts = self.api.retry_profile.attempts();
        self.api.send(request, attempts).await
    }

    async fn order(&mut self) -> Option<()> {
        let product = self.products.ids[self.rng.random_range(0..self.products.ids.len())];
        let field = if self.products.product_of(product).is_some() { "variantId" } else { "productId" };
        let quantity = self.rng.random_range(1..=2);
        let (code, ships) = (self.rng.random_range(0..6), self.rng.random::<bool>());
        let (action, claims) = (self.rng.random_range(0..10), self.rng.random_bool(0.3));

        let add = Request::post("/api/cart/add", json!({field: product, "quantity": quantity}));
        let cart = self.api.send_once(&add).await?.json["cartToken"].as_str()?.to_owned();
        let mut form = json!({
            "contact": {"email": "guest@chaos.example"},
            "shippingAddress": {"name": "Guest", "line1": "2 Main St", "city": "Springfield", "country": "US"},
        });
        if ships {
            form["shippingMethod"] = self.products.rules.shipping_method.into();
        }
        if let Some(code) = self.products.rules.codes.get(code) {
            form["discountCodes"] = json!([code]);
        }
        let quote = Request::post("/api/checkout/quote", form.clone()).with_guest_token(CART_TOKEN, &cart);
        let quote = self.send(&quote).await?;
        if quote.json["total"].is_number() {
            form["expectedTotal"] = quote.json["total"].clone();
        }
        let order = Request::post("/api/orders", form)
            .with_idempotency_key(Some(Uuid::now_v7().to_string()))
            .with_guest_token(CART_TOKEN, &cart);
        let order = self.send(&order).await?.json;
        let (path, token) = (order_path(order["id"].as_str()?), order["accessToken"].as_str()?.to_owned());

        match action {
            0 => self.with_token(&format!("{path}/cancel"), &token).await?,
            1..8 => {
                let payment = Request::post(format!("{path}/payment"), Value::Null);
                let payment = self.send(&payment.with_guest_token(ORDER_TOKEN, &token)).await?;
                let secret = payment.json["clientSecret"].as_str()?.to_owned();
                if !self.api.stop.is_cancelled() {
                    let _ = timeout(STRIPE_TIMEOUT, self.stripe.confirm(&secret, Card::Visa)).await;
                }
            }
            _ => {}
        }
        let read = Request::get(path.clone()).with_guest_token(ORDER_TOKEN, &token);
        self.send(&read).await?;
        if claims && (self.account.is_signed_in() || self.account.sign_in().await) {
            let claim = Request::post(format!("{path}/claim"), Value::Null);
            self.account.send(&claim.with_guest_token(ORDER_TOKEN, &token)).await?;
        }
        Some(())
    }

    async fn with_token(&mut self, path: &str, token: &str) -> Option<()> {
        let request = Request::post(path, Value::Null).with_guest_token(ORDER_TOKEN, token);
        self.send(&request).await.map(drop)
    }
}
