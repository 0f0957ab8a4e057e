//! A stand-in for Stripe: its API over real HTTP, and its faults on demand.
//!
//! For tests, and for drills of a whole store. It keeps a ledger of payment intents, charges and refunds, and answers
//! for them on a port of its own as <https://docs.stripe.com/api> says; the process it runs in can look into the ledger,
//! play the shopper, and decide what goes wrong. [`StripeDouble`] is the whole of it.
//!
//! `server` takes a request off the wire, `api` reads it and answers it, `ledger` does it, `events` tells of it and
//! `webhooks` delivers what is told; `faults` says what goes wrong on the way.
//!
//! # What it imitates
//! - `POST` and `GET /v1/payment_intents`, `GET /v1/payment_intents/{id}` and `POST` to its `/confirm` and `/cancel`;
//!   `POST` and `GET /v1/refunds`, `GET /v1/refunds/{id}`, `GET /v1/charges/{id}`, `GET /v1/account`. Parameters are
//!   form-encoded, unknown ones are refused, `expand[]` expands, lists have `limit` and `starting_after`.
//! - Keys: the secret one, and the publishable one together with an intent's client secret, as Stripe.js uses it.
//! - Errors: Stripe's statuses, types, codes and wording, as far as programs read them.
//! - Idempotency: once a call begins to be carried out, its answer is kept under its `Idempotency-Key`, an error and a
//!   500 too, and given again with `Idempotent-Replayed: true`. Calls refused before (401, 429, parameters that are
//!   wrong in themselves) are not kept. Another call with the same key is a 400, the same one at the same time a 409.
//! - A call is carried out to its end though the caller has hung up.
//! - Events: every change of an intent, a charge or a refund, as the object was right then, pretty-printed and signed
//!   anew for each attempt; sent again until it is answered with 2xx. No order is promised.
//! - A refund that is pending counts as refunded on its charge, and one that fails does not count any more.
//!
//! # What it does not imitate
//! - Live mode, other accounts, other API versions: `Stripe-Version` is recorded and echoed, no more.
//! - Manual capture, customers, saved and typed-in cards, disputes, fees, balances, `return_url`; the `events` endpoints;
//!   `lock_timeout`, for calls are carried out one at a time.
//! - Time: idempotency keys are never forgotten, and deliveries are given up after seconds, not days.
//! - Cancelling an intent that is processing, which Stripe allows in rare cases; the least amounts of rare currencies.
//! - When exactly Stripe tells of a pending refund is not documented: here, `charge.refunded` comes when it is made.
//! - Memory beyond its process: when the last handle is dropped, all is gone.

mod api;
mod control;
mod double;
mod events;
mod faults;
mod id;
mod inspect;
mod ledger;
mod server;
mod shopper;
mod signature;
mod webhooks;

pub use self::{
    api::Operation,
    double::{Options, StripeDouble},
    faults::Fault,
    inspect::Call,
    ledger::{Card, Charge, ChargeStatus, Intent, IntentStatus, Outcome, Refund, RefundStatus},
    shopper::ShopperError,
    signature::signature_header,
    webhooks::{Delivery, DeliveryPolicy},
};
