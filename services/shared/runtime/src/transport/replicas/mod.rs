//! The replicas of a service: the addresses that its name resolves to, and the choice of one of them for each call.
//!
//! - The name is looked up every few seconds while there are calls, and at once when a replica is lost. A failed or empty
//!   lookup keeps the addresses. An address that is not returned any more gets no new calls; its open ones finish.
//! - A call goes to the one of two random replicas that has fewer calls in flight. Left out are replicas that are *down*
//!   (the last connection failed or closed, until it has responded to a health check), *silent* (connected, but nothing has
//!   arrived for [`timeouts::REPLICA_SILENCE`], not even the response to a ping: a frozen process or a cut network), or have
//!   just failed a call. If none is left, any is used.
//! - A single address is used as it is, connected at the first call, and never left out: there is nothing to choose.

mod health;
mod replica;
mod resolver;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::Uri;
use rand::seq::IteratorRandom as _;
use tokio::{sync::Mutex, time::timeout};
use tokio_util::sync::DropGuard;
use tracing::{debug, info, warn};

use self::health::{Events, now};
pub(super) use self::replica::Replica;
pub use self::resolver::Resolver;
use super::error::CallError;
use crate::{metrics, timeouts, tls::TlsClient};

/// Interval at which a call without a replica tries again to find one.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The replicas of one service. Cheap to clone.
#[derive(Clone)]
pub(super) struct Replicas(Arc<Inner>);

/// The service of which there are replicas.
pub(super) struct Upstream {
    pub(super) name: &'static str,
    /// Its URL. Each replica gets the authority.
    pub(super) origin: Uri,
    pub(super) tls: Option<TlsClient>,
}

struct Inner {
    upstream: Upstream,
    resolver: Resolver,
    interval: Duration,
    set: RwLock<Vec<Member>>,
    /// Held during a lookup.
    lookup: Mutex<()>,
    events: Arc<Events>,
}

/// A replica that gets calls. Its endless streams end when it is dropped.
struct Member {
    replica: Arc<Replica>,
    _removal: DropGuard,
}

impl Replicas {
    /// Looks the name up at the first call.
    pub(super) fn new(upstream: Upstream, resolver: Resolver, interval: Duration) -> Self {
        let events = Arc::new(Events::default());
        let set = resolver.fixed().map(|address| Member::new(address, &upstream, false, &events));
        let set = RwLock::new(set.into_iter().collect());
        let inner = Arc::new(Inner { upstream, resolver, interval, set, lookup: Mutex::default(), events });
        metrics::on_scrape(&inner, Inner::report);
        Self(inner)
    }

    /// Returns a replica for a call, another one than `avoided` if possible.
    ///
    /// # Errors
    /// When the name has not been resolved yet, and cannot be.
    pub(super) async fn pick(&self, avoided: Option<&Arc<Replica>>) -> Result<Arc<Replica>, CallError> {
        if let Some(replica) = self.try_pick(avoided) {
            return Ok(replica);
        }
        if self.is_empty() {
            self.look_up().await.map_err(CallError::NotSent)?;
        }
        // No replica is known to be up. The first health check usually succeeds within milliseconds, and what a silent one
        // has sent may not have been read yet.
        let _ = timeout(timeouts::SETTINGS, async {
            while self.try_pick(avoided).is_none() {
                let _ = timeout(POLL_INTERVAL, self.0.events.changed()).await;
            }
        })
        .await;
        let picked = self.try_pick(avoided).or_else(|| self.pick_any());
        picked.ok_or_else(|| CallError::NotSent("no address".to_owned()))
    }

    /// Returns a replica that is up, another one than `avoided` if possible.
    fn try_pick(&self, avoided: Option<&Arc<Replica>>) -> Option<Arc<Replica>> {
        self.look_up_if_due();
        let set = self.read();
        match &**set {
            [] => None,
            [only] => Some(only.replica.clone()),
            many => {
                let now = now();
                many.iter().for_each(|member| member.replica.check_if_due(now, &self.0));
                let is_avoided = |replica: &Arc<Replica>| avoided.is_some_and(|it| Arc::ptr_eq(it, replica));
                less_busy(many, |replica| !is_avoided(replica) && replica.is_available(now))
                    .or_else(|| less_busy(many, |replica| !is_avoided(replica) && replica.is_responsive(now)))
                    .or_else(|| less_busy(many, |replica| replica.is_responsive(now)))
            }
        }
    }

    /// Returns an available replica that is not `other`.
    pub(super) fn pick_other(&self, other: &Arc<Replica>) -> Option<Arc<Replica>> {
        let now = now();
        less_busy(&self.read(), |replica| !Arc::ptr_eq(replica, other) && replica.is_available(now))
    }

    fn pick_any(&self) -> Option<Arc<Replica>> {
        self.read().iter().map(|member| &member.replica).choose(&mut rand::rng()).cloned()
    }

    fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Member>> {
        self.0.set.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a lookup if one is due. It is due only when there are calls.
    fn look_up_if_due(&self) {
        if self.0.resolver.fixed().is_none() && self.0.events.claim_lookup(now(), self.0.interval) {
            let replicas = self.clone();
            tokio::spawn(async move {
                if let Err(error) = replicas.look_up().await {
                    warn!(
                        upstream = replicas.0.upstream.name,
                        "lookup of {} failed, keeping its addresses: {error}", replicas.0.upstream.name
                    );
                }
            });
        }
    }

    /// Looks the name up, and replaces the replicas. Returns why it has failed.
    async fn look_up(&self) -> Result<(), String> {
        let was_empty = self.is_empty();
        let _lookup = self.0.lookup.lock().await;
        if was_empty && !self.is_empty() {
            return Ok(());
        }
        let found = timeout(timeouts::CONNECT, self.0.resolver.resolve());
        let mut addresses =
            found.await.map_err(|_| "timed out".to_owned())?.map_err(|error| error.to_string())?;
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Err("the name has no addresses".to_owned());
        }
        self.0.replace(&addresses);
        Ok(())
    }
}

impl Inner {
    fn replace(&self, addresses: &[std::net::SocketAddr]) {
        let is_one_of_many = addresses.len() > 1;
        let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *set);
        let is_unchanged = old.iter().map(|member| member.replica.address()).eq(addresses.iter().copied());
        for &address in addresses {
            // One that was the only replica is not monitored.
            let kept = old.iter().position(|member| {
                member.replica.address() == address && (member.replica.is_monitored() || !is_one_of_many)
            });
            set.push(kept.map_or_else(
                || Member::new(address, &self.upstream, is_one_of_many, &self.events),
                |index| old.swap_remove(index),
            ));
        }
        drop(set);
        if !is_unchanged {
            info!(
                upstream = self.upstream.name,
                replicas = addresses.len(),
                "replicas of {} have changed",
                self.upstream.name
            );
        }
    }

    /// Updates the metric.
    fn report(&self) {
        let now = now();
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        let up = set.iter().filter(|member| member.replica.is_responsive(now)).count();
        metrics::replicas(self.upstream.name, up, set.len() - up);
    }

    /// Reports that the health check of a replica has ended.
    fn checked(&self, address: std::net::SocketAddr, is_up: bool) {
        if is_up {
            debug!(upstream = self.upstream.name, %address, "replica is up");
        }
        self.events.notify();
    }
}

impl Member {
    fn new(
        address: std::net::SocketAddr,
        upstream: &Upstream,
        is_monitored: bool,
        events: &Arc<Events>,
    ) -> Self {
        let replica = Arc::new(Replica::new(address, upstream, is_monitored, events));
        let _removal = replica.removal().drop_guard();
        Self { replica, _removal }
    }
}

/// Returns the one of two random replicas that has fewer calls in flight.
fn less_busy(set: &[Member], is_allowed: impl Fn(&Arc<Replica>) -> bool) -> Option<Arc<Replica>> {
    let mut allowed = set.iter().map(|member| &member.replica).filter(|replica| is_allowed(replica));
    let first = allowed.next()?;
    let mut two = [first, first];
    let found = std::iter::once(first).chain(allowed).sample_fill(&mut rand::rng(), &mut two);
    let [one, other] = two;
    if found < 2 {
        return Some(one.clone());
    }
    let is_other = match one.in_flight().cmp(&other.in_flight()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => rand::random(),
    };
    Some(if is_other { other } else { one }.clone())
}
