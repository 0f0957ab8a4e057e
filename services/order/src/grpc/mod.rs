//! Proto in, call, proto out.

mod orders;
#[path = "payment_webhooks.rs"]
mod payment_events;
#[path = "convert.rs"]
mod shapes;

pub(crate) use self::{orders::Orders, payment_events::PaymentEvents};
