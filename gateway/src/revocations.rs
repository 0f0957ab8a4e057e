//! Revoked sessions: those that ended before their access tokens expire.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use bodega_proto::identity::v1::{WatchRevocationsRequest, token_service_client::TokenServiceClient};
use bodega_runtime::{metrics::on_scrape, transport::Transport};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

/// Pause before the stream is reopened.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// A stream is reopened after this time: its first message leaves out sessions whose tokens have expired.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(3600);

/// The revoked sessions, as identity streams them.
///
/// The first message of each stream contains all revoked sessions and replaces the set. While identity is unavailable, the
/// set stays as it is.
#[derive(Clone, Default)]
pub(crate) struct Revocations {
    sessions: Arc<RwLock<HashSet<Uuid>>>,
    stream: Arc<Mutex<Stream>>,
}

/// Since when there is no stream; `None` while there is one. A stream whose server is gone ends within the time of the
/// connection's keep-alive pings.
struct Stream {
    absent_since: Option<Instant>,
}

impl Default for Stream {
    fn default() -> Self {
        Self { absent_since: Some(Instant::now()) }
    }
}

impl Revocations {
    /// Shows the age of the set at each scrape.
    pub(crate) fn show(&self) {
        on_scrape(&self.stream, |stream| {
            let absent_since = stream.lock().unwrap_or_else(PoisonError::into_inner).absent_since;
            let age = absent_since.map_or(0.0, |since| since.elapsed().as_secs_f64());
            ::metrics::gauge!("revocations_age_seconds").set(age);
        });
    }

    fn set_stream(&self, is_present: bool) {
        let absent_since = &mut self.stream.lock().unwrap_or_else(PoisonError::into_inner).absent_since;
        *absent_since = if is_present { None } else { absent_since.or_else(|| Some(Instant::now())) };
    }

    /// Whether the session is revoked.
    pub(crate) fn contains(&self, session: Uuid) -> bool {
        self.sessions.read().is_ok_and(|revoked| revoked.contains(&session))
    }

    /// Adds sessions that have just ended, without waiting for the stream.
    pub(crate) fn extend(&self, sessions: &[String]) {
        if let Ok(mut revoked) = self.sessions.write() {
            revoked.extend(sessions.iter().filter_map(|id| id.parse::<Uuid>().ok()));
        }
    }

    fn reset(&self, sessions: &[String]) {
        if let Ok(mut revoked) = self.sessions.write() {
            revoked.clear();
        }
        self.extend(sessions);
    }

    /// Follows identity's revocation stream until the shutdown.
    pub(crate) async fn watch(self, identity: Transport, shutdown: CancellationToken) {
        let client = TokenServiceClient::new(identity.streaming());
        let follow = async {
            let mut is_disconnected = false;
            loop {
                let outcome =
                    tokio::time::timeout(RENEWAL_INTERVAL, self.follow(client.clone(), &mut is_disconnected))
                        .await;
                self.set_stream(false);
                // Logged once, not at each attempt.
                if let Ok(Err(error)) = outcome
                    && !std::mem::replace(&mut is_disconnected, true)
                {
                    warn!(
                        "revocation stream disconnected, reconnecting every {RECONNECT_PAUSE:?}: {}",
                        error.message()
                    );
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = follow => {}
        }
    }

    async fn follow(
        &self,
        mut client: TokenServiceClient<Transport>,
        is_disconnected: &mut bool,
    ) -> Result<(), tonic::Status> {
        let mut stream = client.watch_revocations(WatchRevocationsRequest {}).await?.into_inner();
        if let Some(first) = stream.message().await? {
            self.reset(&first.session_ids);
            self.set_stream(true);
            if std::mem::take(is_disconnected) {
                info!("revocation stream reconnected");
            }
        }
        while let Some(more) = stream.message().await? {
            self.extend(&more.session_ids);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_of_a_stream_replaces_the_set() {
        let (old, new) = (Uuid::now_v7(), Uuid::now_v7());
        let revocations = Revocations::default();
        revocations.extend(&[old.to_string()]);
        assert!(revocations.contains(old));
        revocations.reset(&[new.to_string()]);
        assert!(!revocations.contains(old) && revocations.contains(new));
    }
}
