//! The handle on a running double, which starts it and stops it when dropped.

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::redirect::Policy;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    endpoint::Endpoint,
    faults::Faults,
    idempotency::IdempotencyKeys,
    ledger::Ledger,
    options::Options,
    server,
    state::{Shared, State},
};

/// The timeout of requests to the webhook endpoint, and of the customer's requests to the API.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_CONCURRENT_DELIVERIES: usize = 16;

/// A handle on a running double of Stripe. Clones share the double; it stops when the last one is dropped.
#[derive(Clone)]
pub struct StripeDouble {
    pub(crate) shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
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
        // Loading the system's certificates takes longer than the rest of the start, and TLS is not used.
        let http = http.tls_certs_only([]).build();
        let stop = CancellationToken::new();
        let state = State {
            ledger: Ledger::default(),
            idempotency_keys: IdempotencyKeys::default(),
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
            delivery_permits: Semaphore::new(MAX_CONCURRENT_DELIVERIES),
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

    /// The settings that the double was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }
}
