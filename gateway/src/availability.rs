//! Which services are available, and whether the gateway can serve anything.

use std::{sync::Arc, time::Duration};

use bodega_runtime::{auth::Verifier, transport::Transport};
use futures_util::future;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::app::Upstreams;

/// Timeout of a check; below the timeout of a Kubernetes probe, which is one second.
const TIMEOUT: Duration = Duration::from_millis(800);
/// The services are checked at most this often, however many requests ask.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Each service, and whether it and its database respond.
pub(crate) type Services = [(&'static str, bool); 4];

/// Checks the services. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Availability(Arc<Inner>);

struct Inner {
    upstreams: Upstreams,
    verifier: Verifier,
    last_check: Mutex<Option<(Instant, Services)>>,
}

impl Availability {
    pub(crate) fn new(upstreams: Upstreams, verifier: Verifier) -> Self {
        Self(Arc::new(Inner { upstreams, verifier, last_check: Mutex::default() }))
    }

    /// Checks the services, unless that was done within the last second. Concurrent calls share a check.
    pub(crate) async fn services(&self) -> Services {
        let mut last_check = self.0.last_check.lock().await;
        if let Some((at, services)) = *last_check
            && at.elapsed() < MAX_AGE
        {
            return services;
        }
        let Upstreams { identity, catalog, cart, order } = &self.0.upstreams;
        let check = async |name, transport: &Transport| (name, is_serving(transport.clone()).await);
        let services = future::join4(
            check("identity", identity),
            check("catalog", catalog),
            check("cart", cart),
            check("order", order),
        );
        let services = services.await.into();
        *last_check = Some((Instant::now(), services));
        services
    }

    /// Returns whether the gateway can serve anything: it has the keys that verify access tokens, which are fetched once, or
    /// the catalog is available.
    pub(crate) async fn can_serve(self) -> bool {
        if self.0.verifier.has_keys() {
            return true;
        }
        let keys = before_timeout(self.0.verifier.ensure_keys());
        let (keys, services) = future::join(keys, self.services()).await;
        keys.is_some() || services.contains(&("catalog", true))
    }
}

async fn is_serving(transport: Transport) -> bool {
    let response = before_timeout(HealthClient::new(transport).check(HealthCheckRequest::default())).await;
    response.is_some_and(|response| response.get_ref().status() == ServingStatus::Serving)
}

async fn before_timeout<T>(check: impl Future<Output = Result<T, Status>>) -> Option<T> {
    timeout(TIMEOUT, check).await.ok()?.ok()
}
