//! The context of a call, which travels from process to process: deadline, access token, request id, address of
//! the client and trace.
//!
//! It is task-local: the server of a call sets it, [`crate::transport`] reads it. A spawned task starts with an empty
//! context, without a user.

use std::{net::IpAddr, time::Duration};

use http::HeaderValue;
use tokio::time::Instant;

use crate::{client_address::ClientNetwork, telemetry::Trace};

/// Metadata with the id of the request, the same in all processes and logs.
pub const REQUEST_ID: &str = "x-request-id";

/// The context that a call passes on to the calls that it makes.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// The time at which the caller stops waiting.
    pub deadline: Option<Instant>,
    /// The `authorization` of the call.
    pub authorization: Option<HeaderValue>,
    /// The request id that the gateway has assigned or accepted.
    pub request_id: Option<HeaderValue>,
    /// The address of the client, as the gateway has determined it.
    pub client_address: Option<IpAddr>,
    /// The trace of the call.
    pub trace: Option<Trace>,
}

tokio::task_local! {
    static CURRENT: CallContext;
}

impl CallContext {
    /// Returns the context of the call being served, or an empty one outside of any call.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Returns the address of the client on whose behalf the call being served is made, as the gateway has determined it.
    /// Background work and commands have none.
    pub fn client_address() -> Option<IpAddr> {
        CURRENT.try_with(|context| context.client_address).ok().flatten()
    }

    /// Returns the network of that client, the key of limits.
    pub fn client_network() -> Option<ClientNetwork> {
        Self::client_address().map(ClientNetwork::from)
    }

    /// Returns a context for work that the call being served starts but does not wait for: with its trace alone.
    #[must_use]
    pub fn background() -> Self {
        Self { trace: Self::current().trace, ..Self::default() }
    }

    /// Calls `use_trace` with the trace of the call being served, if there is one.
    pub(crate) fn with_trace<T>(use_trace: impl FnOnce(&Trace) -> T) -> Option<T> {
        CURRENT.try_with(|context| context.trace.as_ref().map(use_trace)).ok().flatten()
    }

    /// Runs `work` in this context.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Returns the same context with another access token: a login makes calls on behalf of the user who has just signed in.
    #[must_use]
    pub fn with_bearer(mut self, access_token: &str) -> Self {
        self.authorization = HeaderValue::try_from(format!("Bearer {access_token}"))
            .map(|mut value| {
                value.set_sensitive(true);
                value
            })
            .ok();
        self
    }

    /// Returns the time until the deadline, or `default` when there is none.
    pub(crate) fn remaining(&self, default: Duration) -> Duration {
        self.deadline.map_or(default, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
