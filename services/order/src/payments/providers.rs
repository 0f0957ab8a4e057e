//! How the shop is paid: who moves the money, and how long that may take.

#[path = "config.rs"]
mod args;

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;

pub use self::args::PaymentArgs;
use crate::provider::{BadEvent, Event, Offline, Provider, STRIPE, Stripe};

/// The name of money that changes hands elsewhere.
pub(crate) const OFFLINE: &str = "offline";

/// The ways that the shop is paid. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    /// What new payments use.
    chosen: Arc<dyn Provider>,
    /// The same, where it is Stripe: to read its events.
    stripe: Option<Arc<Stripe>>,
    offline: Arc<dyn Provider>,
    window: Option<Duration>,
}

impl Payments {
    /// Money changes hands elsewhere: an admin marks orders paid, and none expires.
    pub fn offline() -> Self {
        let offline: Arc<dyn Provider> = Arc::new(Offline);
        Self { chosen: offline.clone(), stripe: None, offline, window: None }
    }

    /// Orders are paid through Stripe, within the `window`; for ever where there is none.
    pub(crate) fn stripe(stripe: Stripe, window: Option<Duration>) -> Self {
        let stripe = Arc::new(stripe);
        Self { chosen: stripe.clone(), stripe: Some(stripe), offline: Arc::new(Offline), window }
    }

    /// Whether real money moves where cards are taken; `None` where they are not.
    pub fn livemode(&self) -> Option<bool> {
        self.stripe.as_ref().map(|stripe| stripe.livemode())
    }

    /// The provider that new payments use.
    pub(crate) fn chosen(&self) -> &Arc<dyn Provider> {
        &self.chosen
    }

    /// A provider that payments may have been begun with; `None` when it is not configured now.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.all().into_iter().find(|provider| provider.name() == name)
    }

    /// The names of all that are configured.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.all().iter().map(|provider| provider.name().to_owned()).collect();
        names.dedup();
        names
    }

    /// Reads an event of a provider, as it came, with its signature. `None` when that provider is not configured, or
    /// sends none.
    pub(crate) fn event(
        &self,
        provider: &str,
        payload: &[u8],
        signature: &str,
    ) -> Option<Result<Event, BadEvent>> {
        let stripe = self.stripe.as_ref().filter(|_| provider == STRIPE)?;
        Some(stripe.event(payload, signature, OffsetDateTime::now_utc()))
    }

    /// How long an order waits for a payment that was begun; `None`: for ever.
    pub(crate) fn window(&self) -> Option<Duration> {
        self.window
    }

    fn all(&self) -> [&Arc<dyn Provider>; 2] {
        [&self.chosen, &self.offline]
    }
}
