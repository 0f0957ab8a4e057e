//! All timeouts, deadlines and intervals that depend on each other.
//!
//! An inner timeout fires before the outer one, so that its error still reaches the caller:
//!
//! ```text
//! DATABASE_ACQUIRE < DATABASE_STATEMENT < UPSTREAM_CALL < CALL < REQUEST - RESPONSE_MARGIN
//! ```
//!
//! A worker stops before its lease ends and another replica claims the work. Correctness does not depend on leases: a process
//! that was frozen may continue after its lease has ended, so each write checks the current state of its row.
//!
//! The assertions below fail the build when a relation does not hold.

use std::time::Duration;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

// A request at the gateway.

/// Time limit of a request; the default of `BODEGA_REQUEST_TIMEOUT`.
pub const REQUEST: Duration = ms(2_000);
/// The part of a request's time that the gateway reserves for writing the response. Its upstream calls have the rest.
pub const RESPONSE_MARGIN: Duration = ms(100);

// A call between services.

/// Deadline of a call whose caller has set none.
pub const CALL: Duration = ms(1_700);
/// Deadline of a call that a service makes in order to serve another one.
pub const UPSTREAM_CALL: Duration = ms(1_500);
/// Time limit for resolving a name and connecting: an upstream in the same network accepts much faster, or not at all.
pub const CONNECT: Duration = ms(500);
/// Time limit for receiving the HTTP/2 settings of the server on a new connection.
pub const SETTINGS: Duration = ms(250);
/// Time limit of a TLS handshake on a new connection.
pub const TLS_HANDSHAKE: Duration = ms(500);
/// Time limit for reading the rest of a call that is rejected without being served.
pub const DRAIN_REJECTED: Duration = ms(1_000);
/// A call with less time left than this is not retried: it would time out before it is served.
pub const RETRY_RESERVE: Duration = ms(100);
/// Interval of the HTTP/2 pings on a connection to an upstream, and time limit for each response.
pub const KEEPALIVE: Duration = ms(2_000);
/// Interval at which the addresses of an upstream are looked up while it is called.
pub const REPLICA_LOOKUP: Duration = ms(5_000);
/// Interval of the pings on a silent connection to one of several replicas.
pub const REPLICA_KEEPALIVE: Duration = ms(500);
/// A replica from which nothing has arrived for this time, not even the response to a ping, gets no new calls, and its
/// idempotent ones are sent to another replica too.
pub const REPLICA_SILENCE: Duration = ms(750);
/// Time for which a replica that has failed a call is avoided.
pub const REPLICA_PENALTY: Duration = ms(100);
/// Time limit for connecting to a replica that is down, and for its response to a health check.
pub const REPLICA_CHECK: Duration = ms(900);
/// Age at which a service closes a connection after its open calls, 10 % more or less: clients connect again, and to new
/// replicas too.
pub const CONNECTION_AGE: Duration = ms(600_000);
/// Interval of a service's health checks of its database.
pub const HEALTH_CHECK_INTERVAL: Duration = ms(1_000);
/// The database is not checked if it has responded within this time: an idle service checks it at every second interval.
pub const HEALTH_CHECK_AGE: Duration = ms(1_900);
/// Time limit of a health check.
pub const HEALTH_CHECK: Duration = ms(800);
/// Time for open calls and workers to finish after SIGTERM.
pub const SHUTDOWN: Duration = ms(10_000);

// The database.

/// Time limit for getting a connection from the pool, which may include connecting.
pub const DATABASE_ACQUIRE: Duration = ms(1_200);
/// Time limit of a statement: `statement_timeout` in Postgres.
pub const DATABASE_STATEMENT: Duration = ms(1_400);
/// Time limit for the check of a connection that returns to the pool: an abandoned statement may run until its timeout.
pub const DATABASE_RELEASE: Duration = ms(2_500);
/// Time limit for the check of a connection that was idle.
pub const DATABASE_PING: Duration = ms(300);

/// Interval at which a process samples what only the database knows, for its metrics.
pub const SAMPLE_INTERVAL: Duration = ms(15_000);
/// Time limit of a sample.
pub const SAMPLE: Duration = ms(500);

// Searches, which have few connections of their own.

/// Time limit for getting a connection.
pub const SEARCH_ACQUIRE: Duration = ms(500);
/// Time limit of the statement of a search.
pub const SEARCH_STATEMENT: Duration = ms(300);

// Carts, passwords and sessions.

/// Time limit for the second call to the catalog after a cart was changed.
pub const CART_REPRICE: Duration = ms(300);
/// Time limit for the wait before a password is hashed. The rest of a request is for the hash and the database.
pub const PASSWORD_HASH_WAIT: Duration = ms(1_000);
/// Time limit of a query of the revocation stream: the stream has no deadline.
pub const REVOCATION_QUERY: Duration = ms(2_000);
/// Interval at which identity polls for the sessions that its other replicas have ended, while there are watchers.
pub const REVOCATION_POLL: Duration = ms(700);
/// A revocation reaches every gateway within about this time.
pub const REVOCATION: Duration = ms(1_000);

// Changes of the catalog, and the caches that follow them.

/// Every client sees a change within this time.
pub const MAX_STALENESS: Duration = ms(500);
/// Time for which data are fresh after the ping that confirmed them was sent. The rest of [`MAX_STALENESS`] is for the
/// response.
pub const FRESHNESS: Duration = ms(400);
/// Minimum time between two pings of a cache. It sends none while it is not read.
pub const CHANGE_PING: Duration = ms(150);
/// Time that a read waits until its data are confirmed, before it calls the catalog.
pub const CHANGE_WAIT: Duration = ms(50);
/// A stream whose pong does not arrive within this time is reopened.
pub const CHANGE_PONG: Duration = ms(2_000);
/// Time limit of a query for changes: the stream has no deadline.
pub const CHANGE_POLL: Duration = ms(1_800);
/// Pause before the stream of changes is reopened.
pub const CHANGE_RECONNECT: Duration = ms(250);
/// Time that a write of an admin waits until caches have applied it. They may be frozen.
pub const CHANGE_CONFIRMATION: Duration = ms(100);

// Orders and payments.

/// Time that a call waits for a delivery, provider event or refund before it leaves the work to a worker.
pub const INLINE_WORK: Duration = ms(800);
/// Workers skip rows that were written more recently: their writer may be doing the work inline.
pub const INLINE_GRACE: Duration = ms(1_000);
/// Time limit of a piece of work: one upstream call, and storing its result.
pub const WORK: Duration = ms(2_500);
/// Lease of a piece of work.
pub const WORK_LEASE: Duration = ms(3_500);
/// Time limit of a call to the payment provider.
pub const PROVIDER_CALL: Duration = ms(3_500);
/// Time limit for polling a payment: one provider call, and storing its result.
pub const PAYMENT_POLL: Duration = ms(4_500);
/// Lease of a payment that is being polled.
pub const PAYMENT_POLL_LEASE: Duration = ms(5_000);
/// Interval at which the workers of the order service check for due work.
pub const WORKER_INTERVAL: Duration = ms(500);
/// The same while the service is idle.
pub const WORKER_IDLE_INTERVAL: Duration = ms(3_000);
/// Interval at which the order service checks for orders that were not paid in time.
pub const EXPIRY_INTERVAL: Duration = ms(1_000);
/// The same while the service is idle: stock is released within 10 s after the end of the payment window.
pub const EXPIRY_IDLE_INTERVAL: Duration = ms(5_000);

// Events for other systems.

/// Time limit for connecting to NATS, including its stream of events.
pub const EVENT_CONNECT: Duration = ms(1_500);
/// Time limit for the acknowledgement of an event.
pub const EVENT_ACK: Duration = ms(1_500);
/// Time after which no more events of a batch are sent.
pub const EVENT_BATCH: Duration = ms(1_000);
/// Time limit for publishing a batch: connecting, sending, and storing the result.
pub const EVENT_PUBLISH: Duration = ms(8_000);
/// Lease of the replica that publishes the events of a service.
pub const EVENT_LEASE: Duration = ms(9_000);

// Mail.

/// Time limit for connecting to the SMTP server.
pub const MAIL_CONNECT: Duration = ms(5_000);
/// Time limit for sending a mail, including the connection.
pub const MAIL_SEND: Duration = ms(15_000);
/// Time limit for reading the recipients and contents of a batch of mails.
pub const MAIL_COMPOSE: Duration = ms(4_000);
/// Time limit of a batch of mails.
pub const MAIL_BATCH: Duration = ms(26_000);
/// Lease of a batch of mails.
pub const MAIL_LEASE: Duration = ms(30_000);

// Images.

/// Time limit for storing an image: a storage that hangs is reported within 3 s.
pub const IMAGE_PUT: Duration = ms(2_500);
/// Time limit for deleting an image from the storage.
pub const IMAGE_DELETE: Duration = ms(10_000);
/// Time limit of the cleanup of one image.
pub const IMAGE_CLEANUP: Duration = ms(15_000);
/// Lease of a batch of images whose cleanup has begun.
pub const IMAGE_CLEANUP_LEASE: Duration = ms(60_000);

/// Minimum time between an inner timeout and the outer one, so that the order holds on a loaded machine.
const MARGIN: Duration = ms(100);

/// Returns whether `inner` fires before `outer`.
const fn precedes(inner: Duration, outer: Duration) -> bool {
    inner.as_millis() + MARGIN.as_millis() <= outer.as_millis()
}

const fn sum(one: Duration, other: Duration) -> Duration {
    one.saturating_add(other)
}

const _: () = {
    assert!(precedes(DATABASE_PING, DATABASE_ACQUIRE));
    assert!(precedes(DATABASE_ACQUIRE, DATABASE_STATEMENT));
    assert!(precedes(DATABASE_STATEMENT, UPSTREAM_CALL));
    assert!(precedes(DATABASE_STATEMENT, DATABASE_RELEASE));
    assert!(precedes(sum(SEARCH_ACQUIRE, SEARCH_STATEMENT), UPSTREAM_CALL));
    assert!(precedes(UPSTREAM_CALL, CALL));
    assert!(precedes(sum(CALL, RESPONSE_MARGIN), REQUEST));
    assert!(precedes(sum(sum(CONNECT, TLS_HANDSHAKE), sum(SETTINGS, RETRY_RESERVE)), UPSTREAM_CALL));
    assert!(precedes(REPLICA_KEEPALIVE, REPLICA_SILENCE));
    assert!(precedes(sum(CONNECT, SETTINGS), REPLICA_CHECK));
    // A call whose replica is silent has time for another one.
    assert!(precedes(sum(REPLICA_SILENCE, RETRY_RESERVE), UPSTREAM_CALL));
    assert!(precedes(HEALTH_CHECK, HEALTH_CHECK_INTERVAL));
    assert!(precedes(sum(UPSTREAM_CALL, CART_REPRICE), REQUEST));
    assert!(precedes(PASSWORD_HASH_WAIT, UPSTREAM_CALL));
    assert!(precedes(DATABASE_STATEMENT, REVOCATION_QUERY));
    assert!(precedes(REVOCATION_POLL, REVOCATION));
    assert!(precedes(FRESHNESS, MAX_STALENESS));
    assert!(precedes(sum(CHANGE_PING, CHANGE_WAIT), FRESHNESS));
    assert!(precedes(DATABASE_STATEMENT, CHANGE_POLL));
    assert!(precedes(CHANGE_POLL, CHANGE_PONG));
    assert!(precedes(CHANGE_CONFIRMATION, UPSTREAM_CALL));
    assert!(precedes(INLINE_WORK, INLINE_GRACE));
    assert!(precedes(UPSTREAM_CALL, WORK));
    assert!(precedes(sum(INLINE_WORK, WORK), WORK_LEASE));
    assert!(precedes(PROVIDER_CALL, PAYMENT_POLL));
    assert!(precedes(PAYMENT_POLL, PAYMENT_POLL_LEASE));
    assert!(precedes(
        sum(sum(EVENT_CONNECT, sum(EVENT_BATCH, sum(EVENT_ACK, EVENT_ACK))), sum(DATABASE_STATEMENT, ms(0))),
        EVENT_PUBLISH
    ));
    assert!(precedes(EVENT_PUBLISH, EVENT_LEASE));
    assert!(precedes(MAIL_CONNECT, MAIL_SEND));
    assert!(precedes(
        sum(sum(MAIL_COMPOSE, MAIL_SEND), sum(DATABASE_ACQUIRE, DATABASE_STATEMENT)),
        MAIL_BATCH
    ));
    assert!(precedes(MAIL_BATCH, MAIL_LEASE));
    assert!(precedes(IMAGE_DELETE, IMAGE_CLEANUP));
    assert!(precedes(IMAGE_CLEANUP, IMAGE_CLEANUP_LEASE));
    assert!(precedes(PAYMENT_POLL, SHUTDOWN));
};
