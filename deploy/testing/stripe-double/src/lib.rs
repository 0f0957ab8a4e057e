//! A test double of Stripe: its API over HTTP, with faults on demand.
//!
//! For tests, including fault-injection tests of the whole system. It stores payment intents, charges and refunds and
//! serves them on its own port as described in <https://docs.stripe.com/api>. The process that runs it can inspect the
//! stored objects, act as the customer, and inject faults. [`StripeDouble`] is the entry point.
//!
//! `server` reads a request, `api` decodes it and builds the response, `ledger` executes it, `events` records what
//! changed and `webhooks` delivers the events; `faults` selects the faults to inject. `state` is what they share. Tests use
//! a handle (`double`) to change the behaviour (`control`), to pay (`customer`) and to read the state (`inspect`).
//!
//! # Implemented
//! - `POST` and `GET /v1/payment_intents`, `GET /v1/payment_intents/{id}` and `POST` to its `/confirm` and `/cancel`;
//!   `POST` and `GET /v1/refunds`, `GET /v1/refunds/{id}`, `GET /v1/charges/{id}`, `GET /v1/account`. Parameters are
//!   form-encoded, unknown ones are rejected, `expand[]` expands, lists have `limit` and `starting_after`.
//! - Keys: the secret key, and the publishable key together with an intent's client secret, as Stripe.js uses it.
//! - Errors: the statuses, types, codes and messages of Stripe that programs read.
//! - Idempotency: once a request begins to execute, its response is stored under its `Idempotency-Key`, even if it is an
//!   error, and replayed with `Idempotent-Replayed: true`. Requests rejected earlier (401, 429, invalid parameters) are
//!   not stored. A different request with the same key is a 400, a concurrent repetition of the same request a 409.
//! - A request is executed to completion even if the client disconnects.
//! - Events: every change of an intent, a charge or a refund, with the object as it was after the change, pretty-printed and signed
//!   for each attempt; retried until the response is 2xx. The order is not guaranteed.
//! - A pending refund counts as refunded on its charge; a failed one does not.
//!
//! # Not implemented
//! - Live mode, other accounts, other API versions: `Stripe-Version` is recorded and echoed only.
//! - Manual capture, customers, saved cards and card numbers, disputes, fees, balances, `return_url`, the `events`
//!   endpoints; `lock_timeout`, because requests execute one at a time.
//! - Time: idempotency keys do not expire, and deliveries are abandoned after seconds, not days.
//! - Cancelling a processing intent, which Stripe allows in rare cases; the minimum amounts of rare currencies.
//! - Stripe does not document when it reports a pending refund: here, `charge.refunded` is sent when it is created.
//! - Persistence: dropping the last handle discards all data.

#![warn(missing_docs)]

mod api;
mod call;
mod control;
mod customer;
mod double;
mod endpoint;
mod error;
mod events;
mod faults;
mod id;
mod idempotency;
mod inspect;
mod ledger;
mod options;
mod response;
mod server;
mod signature;
mod state;
mod webhooks;

pub use self::{
    call::{Call, Operation},
    customer::ConfirmError,
    double::StripeDouble,
    endpoint::{Delivery, DeliveryPolicy},
    faults::Fault,
    ledger::{Card, Charge, ChargeStatus, Intent, IntentStatus, Outcome, Refund, RefundStatus},
    options::Options,
    signature::signature_header,
};
