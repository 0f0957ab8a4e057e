//! The configured payment providers.

use std::{sync::Arc, time::Duration};

use super::provider::{Provider, offline::Offline};

/// Cheap to clone.
#[derive(Clone)]
pub struct PaymentProviders {
    /// Takes new payments.
    default: Arc<dyn Provider>,
    /// All providers that payments may be with.
    all: Vec<Arc<dyn Provider>>,
    payment_window: Option<Duration>,
}

impl PaymentProviders {
    /// Offline payments only: an admin marks orders paid, and none expires.
    pub fn offline() -> Self {
        let offline: Arc<dyn Provider> = Arc::new(Offline);
        Self { default: offline.clone(), all: vec![offline], payment_window: None }
    }

    /// New payments are with `provider`; orders whose payment does not arrive within `payment_window` are cancelled.
    pub(crate) fn online(provider: Arc<dyn Provider>, payment_window: Option<Duration>) -> Self {
        Self { default: provider.clone(), all: vec![provider, Arc::new(Offline)], payment_window }
    }

    /// Whether real money moves; `None` for offline payments only.
    pub fn livemode(&self) -> Option<bool> {
        self.default.livemode()
    }

    pub(crate) fn default(&self) -> &dyn Provider {
        self.default.as_ref()
    }

    /// Returns `None` if the provider is not configured.
    pub(crate) fn by_name(&self, name: &str) -> Option<&dyn Provider> {
        self.all.iter().map(AsRef::as_ref).find(|provider| provider.name() == name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.all.iter().map(|provider| provider.name().to_owned()).collect()
    }

    /// How long an order waits for a payment that was started; `None` without limit.
    pub(crate) fn payment_window(&self) -> Option<Duration> {
        self.payment_window
    }
}
