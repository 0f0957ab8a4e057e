//! The worker that publishes the events of a service.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bodega_runtime::{
    backoff::Backoff,
    log_throttle::LogThrottle,
    timeouts::{EVENT_BATCH, EVENT_PUBLISH, WORKER_IDLE_INTERVAL, WORKER_INTERVAL},
    worker::Worker,
};
use futures_util::future::join_all;
use time::OffsetDateTime;
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

use crate::{
    event::Event,
    nats::{Connection, Nats, NatsError},
};

/// Pauses while NATS is away.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// Interval of the warnings that NATS is away.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// The recorded events of a service.
pub trait Outbox: Send + Sync {
    /// What [`complete`](Self::complete) needs to know of a batch.
    type Claim: Send;

    /// Returns the next events to publish, those of an aggregate in their order. Returns `None` if there are none, or if
    /// another replica publishes them at present.
    fn claim(&self) -> impl Future<Output = sqlx::Result<Option<Batch<Self::Claim>>>> + Send;

    /// Records which events of a batch are stored by NATS: `published` has an entry for each of them.
    fn complete(
        &self,
        claim: Self::Claim,
        published: &[bool],
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Returns when the oldest event happened that is not published.
    fn oldest(&self) -> impl Future<Output = sqlx::Result<Option<OffsetDateTime>>> + Send;
}

/// Events that are published together.
#[derive(Debug)]
pub struct Batch<C> {
    /// Passed to [`Outbox::complete`].
    pub claim: C,
    /// The events, at most some hundreds.
    pub events: Vec<Event>,
    /// Whether there may be more events: then they are claimed at once, and otherwise after a pause, so that the events of
    /// a busy service are published together.
    pub has_more: bool,
}

/// Publishes the events of a service until the future is dropped. Any replica may be stopped at any time.
pub async fn publish(service: &'static str, nats: Nats, outbox: impl Outbox) {
    let worker = Worker {
        name: "event publication",
        interval: WORKER_INTERVAL,
        idle_interval: WORKER_IDLE_INTERVAL,
        concurrency: 1,
        timeout: EVENT_PUBLISH,
    };
    info!(service, "publishing events to NATS at {}", nats.servers);
    let warnings = LogThrottle::new(WARNING_INTERVAL);
    let publisher = Publisher { service, nats, outbox, state: Mutex::default(), warnings };
    worker.repeat(|| publisher.step()).await;
}

struct Publisher<O> {
    service: &'static str,
    nats: Nats,
    outbox: O,
    state: Mutex<State>,
    warnings: LogThrottle,
}

#[derive(Default)]
struct State {
    /// Missing after a failure: what was sent on the old connection cannot arrive later than what is sent on the new one.
    connection: Option<Connection>,
    failures: i32,
    retry_at: Option<Instant>,
}

impl<O: Outbox> Publisher<O> {
    /// Publishes a batch. Returns whether there are more events.
    async fn step(&self) -> sqlx::Result<bool> {
        let mut state = self.state.lock().await;
        if state.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(false);
        }
        // If this future is dropped, the connection is dropped with it.
        let connection = match state.connection.take().filter(Connection::is_open) {
            Some(connection) => connection,
            None => match self.nats.connect(self.service).await {
                Ok(connection) => connection,
                Err(error) => return self.failed(&mut state, &error).await,
            },
        };
        let claimed_at = Instant::now();
        let Some(Batch { claim, events, has_more }) = self.outbox.claim().await? else {
            state.connection = Some(connection);
            self.recovered(&mut state);
            self.report_oldest(None);
            return Ok(false);
        };
        self.report_oldest(events.iter().map(|event| event.time).min());
        let (published, error) = send_in_order(&connection, &events, claimed_at).await;
        self.outbox.complete(claim, &published).await?;
        for (event, _) in events.iter().zip(&published).filter(|(_, published)| **published) {
            metrics::counter!("events_published_total", "service" => self.service, "type" => event.kind)
                .increment(1);
        }
        if let Some(error) = error {
            return self.failed(&mut state, &error).await;
        }
        state.connection = Some(connection);
        self.recovered(&mut state);
        Ok(has_more)
    }

    async fn failed(&self, state: &mut State, error: &NatsError) -> sqlx::Result<bool> {
        let pause = BACKOFF.pause(state.failures);
        state.failures = state.failures.saturating_add(1);
        state.retry_at = Some(Instant::now() + pause);
        if self.warnings.count().is_some() {
            let servers = &self.nats.servers;
            warn!(service = self.service, "cannot publish events to NATS at {servers}, retrying: {error}");
        }
        self.report_oldest(self.outbox.oldest().await?);
        Ok(false)
    }

    fn recovered(&self, state: &mut State) {
        if state.failures > 0 {
            info!(service = self.service, "publishing events to NATS again");
        }
        state.failures = 0;
        state.retry_at = None;
    }

    fn report_oldest(&self, oldest: Option<OffsetDateTime>) {
        let age = oldest.map_or(0.0, |oldest| (OffsetDateTime::now_utc() - oldest).as_seconds_f64().max(0.0));
        metrics::gauge!("events_unpublished_oldest_seconds", "service" => self.service).set(age);
    }
}

/// Publishes events, those of an aggregate one after the other. After an error, sends no further events of that aggregate. Stops
/// when [`EVENT_BATCH`] has passed since `claimed_at`: after a long pause of this process, another replica may publish the same
/// events. Returns which of them JetStream has stored, and an error.
async fn send_in_order(
    connection: &Connection,
    events: &[Event],
    claimed_at: Instant,
) -> (Vec<bool>, Option<NatsError>) {
    let mut published = vec![false; events.len()];
    let mut aggregates: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        aggregates.entry(&event.aggregate).or_default().push_back(index);
    }
    let mut failure = None;
    let mut is_late = false;
    while !aggregates.is_empty() && !is_late {
        // The next event of each aggregate, in the order of the batch.
        let mut next: Vec<_> = aggregates.values_mut().filter_map(VecDeque::pop_front).collect();
        next.sort_unstable();
        let mut sent = Vec::with_capacity(next.len());
        for index in next {
            is_late = claimed_at.elapsed() >= EVENT_BATCH;
            if is_late {
                break;
            }
            sent.push((index, connection.send(&events[index]).await));
        }
        let acks = sent.into_iter().map(async |(index, sent)| match sent {
            Ok(ack) => (index, ack.await.map_err(NatsError::from)),
            Err(error) => (index, Err(error)),
        });
        for (index, ack) in join_all(acks).await {
            match ack {
                Ok(_) => published[index] = true,
                Err(error) => {
                    failure = Some(error);
                    aggregates.remove(events[index].aggregate.as_str());
                }
            }
        }
        aggregates.retain(|_, events| !events.is_empty());
    }
    (published, failure)
}
