//! The running double: starts and, when dropped, stops.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::redirect::Policy;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{api::Keys, faults::Faults, inspect::Call, ledger::Ledger, server, webhooks::Endpoint};

/// Of requests to the webhook endpoint, and of the customer to the API.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_CONCURRENT_DELIVERIES: usize = 16;

/// Settings of a double.
#[derive(Clone, Debug)]
pub struct Options {
    /// The secret key, `sk_test_...`.
    pub secret_key: String,
    /// The publishable key, `pk_test_...`.
    pub publishable_key: String,
    /// The secret that signs webhook events, `whsec_...`.
    pub webhook_secret: String,
    /// The id of the account, `acct_...`.
    pub account: String,
    /// Seed of random faults: with the same seed, the same requests in the same order get the same faults.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            secret_key: "sk_test_51DoubleOfTheSecretKey".to_owned(),
            publishable_key: "pk_test_51DoubleOfThePublishableKey".to_owned(),
            webhook_secret: "whsec_DoubleOfTheWebhookSecret".to_owned(),
            account: "acct_1DoubleAccount00".to_owned(),
            seed: 0,
        }
    }
}

/// A handle on a running stand-in for Stripe. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct StripeDouble {
    pub(crate) shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) url: String,
    pub(crate) http: reqwest::Client,
    pub(crate) runtime: Handle,
    pub(crate) stop: CancellationToken,
    /// Deliveries in progress or waiting.
    pub(crate) pending_deliveries: watch::Sender<usize>,
    pub(crate) deliveries: Semaphore,
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
    pub(crate) faults: Faults,
    pub(crate) calls: Vec<Call>,
    pub(crate) events: Vec<Value>,
    pub(crate) endpoint: Endpoint,
}

impl StripeDouble {
    /// Starts a double on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port or HTTP client is available.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        Self::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, options)
    }

    /// Starts a double on a listener.
    ///
    /// # Errors
    /// When the listener has no address, or no HTTP client is available.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn serve(listener: TcpListener, options: Options) -> io::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(HTTP_TIMEOUT);
        // Loading the system's certificates takes longer than all the rest, and TLS is not used.
        let http = http.tls_certs_only([]).build();
        let stop = CancellationToken::new();
        let state = State {
            ledger: Ledger::default(),
            keys: Keys::default(),
            faults: Faults::new(options.seed),
            calls: Vec::new(),
            events: Vec::new(),
            endpoint: Endpoint::new(options.webhook_secret.clone(), options.seed),
        };
        let shared = Arc::new(Shared {
            url: format!("http://{}", listener.local_addr()?),
            options,
            http: http.map_err(io::Error::other)?,
            runtime: Handle::current(),
            stop: stop.clone(),
            pending_deliveries: watch::Sender::new(0),
            deliveries: Semaphore::new(MAX_CONCURRENT_DELIVERIES),
            state: Mutex::new(state),
        });
        shared.spawn(server::run(listener, Arc::clone(&shared)));
        Ok(Self { shared, _stop: Arc::new(stop.drop_guard()) })
    }

    /// The base URL of the API, without `/v1`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The settings it was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }
}

impl Shared {
    /// No update under this lock is partial, so a poisoned lock is usable.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task until it completes or the double is stopped.
    pub(crate) fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(self.stop.clone().run_until_cancelled_owned(task))
    }
}
