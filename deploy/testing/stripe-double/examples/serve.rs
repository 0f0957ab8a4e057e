//! Runs the double on its own, for manual tests. The optional arguments are its port and the webhook endpoint:
//! `cargo run -p bodega-stripe-double --example serve -- 12111 http://127.0.0.1:8080/api/webhooks/stripe`
//!
//! Prints the settings to start `bodega` with. To pay an order:
//! `curl -u $STRIPE_SECRET_KEY: $BODEGA_STRIPE_URL/v1/payment_intents/pi_.../confirm -d payment_method=pm_card_visa`.

use std::{env, error::Error, net::Ipv4Addr};

use bodega_stripe_double::{Options, StripeDouble};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let stripe = StripeDouble::serve(listener, Options::default())?;
    if let Some(url) = arguments.next() {
        stripe.deliver_to(&url);
    }
    println!("BODEGA_STRIPE_URL={}", stripe.url());
    println!("STRIPE_SECRET_KEY={}", stripe.options().secret_key);
    println!("STRIPE_PUBLISHABLE_KEY={}", stripe.options().publishable_key);
    println!("STRIPE_WEBHOOK_SECRET={}", stripe.options().webhook_secret);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
