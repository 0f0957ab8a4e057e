//! Proto in, call, proto out.

mod orders;
mod payment_events;
mod shapes;

pub(crate) use self::{orders::Orders, payment_events::PaymentEvents};
