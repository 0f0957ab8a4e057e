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
    payment_window: Option<Duration>,
}

impl PaymentProviders {
    /// Creates offline payments only: an admin marks orders paid, and no order expires.
    pub fn offline() -> Self {
        let offline: Arc<dyn Provider> = Arc::new(Offline);
        Self { default: offline.clone(), all: vec![offline], payment_window: None }
    }

    /// Creates new payments with `provider`. Orders whose payment does not arrive within `payment_window` are cancelled.
    pub(crate) fn online(provider: Arc<dyn Provider>, payment_window: Option<Duration>) -> Self {
        Self { default: provider.clone(), all: vec![provider, Arc::new(Offline)], payment_window }
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

    /// Returns the time that an order waits for a payment that was started, or `None` if there is no limit.
    pub(crate) fn payment_window(&self) -> Option<Duration> {
        self.payment_window
    }
}
