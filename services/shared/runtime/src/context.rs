//! What travels with a call from process to process: its deadline, who asks, and the request's id.
//!
//! The context is task-local: whoever serves a call sets it, [`crate::transport`] reads it. Work that is spawned
//! starts without one, and so acts in nobody's name.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

/// Metadata that names the request across processes and in the logs.
pub const REQUEST_ID: &str = "x-request-id";

/// What is carried on to the neighbours of a call.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// When nobody waits for the answer any more.
    pub deadline: Option<Instant>,
    /// The `authorization` the call came with.
    pub authorization: Option<HeaderValue>,
    /// The id the request was given at the gateway.
    pub request_id: Option<HeaderValue>,
}

tokio::task_local! {
    static CURRENT: CallContext;
}

impl CallContext {
    /// The context of the call that is being served; an empty one outside of any.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `work` in this context.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The same call in another's name: what a login calls on behalf of the user it has just let in.
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

    /// Time left; `default` where nobody set a deadline.
    pub(crate) fn remaining(&self, default: Duration) -> Duration {
        self.deadline.map_or(default, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}
