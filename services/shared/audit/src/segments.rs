//! Adding events to segments, whose hashes form a chain.
//!
//! An event waits in `audit_pending`, where its own transaction has inserted it. So events are found whatever the order in
//! which their transactions commit, and no transaction of a change waits for the worker. Of two replicas that add the same
//! segment, the later one fails, and tries again.

use std::time::Duration;

use bodega_runtime::{database::Pool, status::violated_constraint, timeouts, worker::Worker};
use sqlx::AssertSqlSafe;
use tracing::debug;

use crate::AuditLog;

/// Maximum number of events in a segment.
const SEGMENT_SIZE: i64 = 1_000;

const WORKER: Worker = Worker {
    name: "audit segments",
    interval: Duration::from_secs(2),
    idle_interval: Duration::from_secs(60),
    concurrency: 1,
    timeout: timeouts::WORK,
};

/// A segment that was added.
#[derive(sqlx::FromRow)]
struct Segment {
    number: i64,
    hash: String,
    events: i64,
}

impl AuditLog {
    /// Adds events to segments until the future is dropped.
    pub async fn add_segments(self, db: Pool) {
        WORKER.repeat(async || self.add_segment(&db).await).await;
    }

    /// Adds the events that are in no segment yet to a new one. Returns whether there may be more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_segment(self, db: &Pool) -> sqlx::Result<bool> {
        // An event that was removed meanwhile is kept in the segment, with an empty hash that never matches.
        let sql = format!(
            "with taken as (
                 delete from {schema}.audit_pending
                 where event_id in (
                     select event_id from {schema}.audit_pending order by event_id limit $1 for update skip locked
                 )
                 returning event_id
             ), events as (
                 select array_agg(t.event_id order by t.event_id) as ids,
                        array_agg(coalesce({schema}.audit_event_hash(e), '') order by t.event_id) as hashes
                 from taken t left join {schema}.audit_events e on e.id = t.event_id
             ), next as (
                 select coalesce(last.number, 0) + 1 as number, now() as created_at,
                        coalesce(last.hash, '') as previous_hash, ids, hashes
                 from events
                 left join (
                     select number, hash from {schema}.audit_segments order by number desc limit 1
                 ) last on true
                 where ids is not null
             )
             insert into {schema}.audit_segments (number, created_at, previous_hash, event_ids, event_hashes, hash)
             select number, created_at, previous_hash, ids, hashes,
                    {schema}.audit_segment_hash(number, created_at, previous_hash, hashes)
             from next
             returning number, encode(hash, 'hex') as hash, cardinality(event_ids)::bigint as events",
            schema = self.schema,
        );
        let added =
            sqlx::query_as::<_, Segment>(AssertSqlSafe(sql)).bind(SEGMENT_SIZE).fetch_optional(db).await;
        match added {
            Ok(Some(Segment { number, hash, events })) => {
                debug!(
                    audit.schema = self.schema,
                    audit.segment = number,
                    audit.hash = hash,
                    "added {events} audit events"
                );
                Ok(events == SEGMENT_SIZE)
            }
            Ok(None) => Ok(false),
            Err(error) if violated_constraint(&error) == Some("audit_segments_pkey") => {
                debug!(audit.schema = self.schema, "another replica has added an audit segment, retrying");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }
}
