//! The configured payment providers.

use std::{sync::Arc, time::Duration};

use super::provider::{Provider, offline::Offline};

/// The provider of new payments and those of existing ones. Cheap to clone.
#[derive(Clone)]
pub struct PaymentProviders {
    /// The provider of new payments.
    default: Arc<dyn Provider>,
    /// All providers of existing payments.
    all: Vec<Arc<dyn Provider>>,
    /// The time that an order waits for its payment, from placing; `None` for no limit.
    payment_window: Option<Duration>,
    /// The same for orders without an online payment.
    offline_window: Option<Duration>,
}

impl PaymentProviders {
    /// Creates offline payments only: an admin marks orders paid, and no order expires.
    pub fn offline() -> Self {
        Self::offline_within(None)
    }

    /// Creates offline payments only. Orders that are neither confirmed nor paid within `offline_window` are cancelled.
    pub(crate) fn offline_within(offline_window: Option<Duration>) -> Self {
        let offline: Arc<dyn Provider> = Arc::new(Offline);
        Self { default: offline.clone(), all: vec![offline], payment_window: offline_window, offline_window }
    }

    /// Creates new payments with `provider`. Orders that are neither confirmed nor paid within `payment_window` are cancelled,
    /// those with a total of zero within `offline_window`.
    pub(crate) fn online(
        provider: Arc<dyn Provider>,
        payment_window: Option<Duration>,
        offline_window: Option<Duration>,
    ) -> Self {
        let all = vec![provider.clone(), Arc::new(Offline)];
        Self { default: provider, all, payment_window, offline_window }
    }

    /// Returns whether real money moves; `None` for offline payments only.
    pub fn livemode(&self) -> Option<bool> {
        self.default.livemode()
    }

    pub(crate) fn default(&self) -> &dyn Provider {
        self.default.as_ref()
    }

    /// Returns the provider with this name, or `None` if it is not configured.
    pub(crate) fn by_name(&self, name: &str) -> Option<&dyn Provider> {
        self.all.iter().map(AsRef::as_ref).find(|provider| provider.name() == name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.all.iter().map(|provider| provider.name().to_owned()).collect()
    }

    /// Returns the time that an order with this total waits for its payment after it was placed, or `None` if there is no
    /// limit. An order with a total of zero waits for the merchant.
    pub(crate) fn order_window(&self, total_minor: i64) -> Option<Duration> {
        if total_minor == 0 { self.offline_window } else { self.payment_window }
    }
}
