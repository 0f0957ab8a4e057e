//! Sessions that have ended while their access tokens have not expired.

use std::{
    collections::HashSet,
    sync::{Arc, RwLock},
    time::Duration,
};

use bodega_proto::identity::v1::{WatchRevocationsRequest, token_service_client::TokenServiceClient};
use bodega_runtime::transport::Transport;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

/// Pause before the stream is opened again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// A stream that has lasted so long is begun anew: its first message leaves out what no longer matters.
const RENEWAL: Duration = Duration::from_secs(3600);

/// The sessions whose access tokens are refused, as identity streams them.
///
/// Each stream starts with all that matter, so the set is begun anew with it, and a stream is begun every now and then.
/// While identity cannot be reached, what is known stays in force.
#[derive(Clone, Default)]
pub(crate) struct Revocations(Arc<RwLock<HashSet<Uuid>>>);

impl Revocations {
    /// Whether this session has ended.
    pub(crate) fn contains(&self, session: Uuid) -> bool {
        self.0.read().is_ok_and(|ended| ended.contains(&session))
    }

    /// Refuses sessions that this gateway has just seen end, without waiting for the stream.
    pub(crate) fn extend(&self, sessions: &[String]) {
        if let Ok(mut ended) = self.0.write() {
            ended.extend(sessions.iter().filter_map(|id| id.parse::<Uuid>().ok()));
        }
    }

    fn reset(&self, sessions: &[String]) {
        if let Ok(mut ended) = self.0.write() {
            ended.clear();
        }
        self.extend(sessions);
    }

    /// Follows identity's stream until the shutdown.
    pub(crate) async fn watch(self, identity: Transport, shutdown: CancellationToken) {
        let client = TokenServiceClient::new(identity.streaming());
        let follow = async {
            let mut late = false;
            loop {
                let outcome = tokio::time::timeout(RENEWAL, self.follow(client.clone(), &mut late)).await;
                // Said once, not at each attempt.
                if let Ok(Err(cause)) = outcome
                    && !std::mem::replace(&mut late, true)
                {
                    warn!("revocations are late: {}", cause.message());
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
        late: &mut bool,
    ) -> Result<(), tonic::Status> {
        let mut stream = client.watch_revocations(WatchRevocationsRequest {}).await?.into_inner();
        if let Some(first) = stream.message().await? {
            self.reset(&first.session_ids);
            if std::mem::take(late) {
                info!("Revocations are in time again");
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
    fn a_new_stream_replaces_what_was_known() {
        let (old, new) = (Uuid::now_v7(), Uuid::now_v7());
        let revocations = Revocations::default();
        revocations.extend(&[old.to_string()]);
        assert!(revocations.contains(old));
        revocations.reset(&[new.to_string()]);
        assert!(!revocations.contains(old) && revocations.contains(new));
    }
}
