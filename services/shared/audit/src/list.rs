//! `AuditService`: listing the events.

use bodega_proto::audit::v1::{
    ActorKind, AuditEvent, ListAuditEventsRequest, ListAuditEventsResponse,
    audit_service_server::AuditService,
};
use bodega_runtime::{
    auth::{Caller, Scope},
    database::Pool,
    page,
    status::{self, Violations, parse_uuid},
    timestamp,
};
use sqlx::{QueryBuilder, types::Json};
use time::{Duration, OffsetDateTime};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::AuditLog;

/// Events on a page if the client sets no limit.
const DEFAULT_LIMIT: i32 = 20;
const MAX_FILTER_CHARS: usize = 100;
/// Maximum difference between the time in the id of an event and that of its insertion: the counts of failed logins become
/// events after their hour, or when a service starts again.
const MAX_DIFFERENCE: Duration = Duration::days(2);

/// Serves the events of a schema to admins.
pub struct AuditApi {
    db: Pool,
    log: AuditLog,
}

impl AuditApi {
    /// Creates the service.
    pub fn new(db: Pool, log: AuditLog) -> Self {
        Self { db, log }
    }
}

#[tonic::async_trait]
impl AuditService for AuditApi {
    async fn list_audit_events(
        &self,
        request: Request<ListAuditEventsRequest>,
    ) -> Result<Response<ListAuditEventsResponse>, Status> {
        Caller::admin_or_key(&request, Scope::AuditRead)?;
        let filter = Filter::parse(request.into_inner())?;
        let limit = filter.limit;
        let rows = self.log.list(&self.db, filter).await;
        let mut rows = rows.map_err(|error| status::database(&error))?;
        let next_cursor = page::truncate(&mut rows, limit, |row| row.id);
        let events = rows.into_iter().map(Into::into).collect();
        Ok(Response::new(ListAuditEventsResponse { events, next_cursor }))
    }
}

struct Filter {
    actor_id: Option<Uuid>,
    subject_id: String,
    action: String,
    from: Option<OffsetDateTime>,
    to: Option<OffsetDateTime>,
    /// Only events with a lower id: those recorded earlier.
    before: Option<Uuid>,
    limit: i64,
}

impl Filter {
    fn parse(request: ListAuditEventsRequest) -> Result<Self, Status> {
        let mut violations = Violations::new();
        violations.require_text(&request.subject_id, 0, MAX_FILTER_CHARS, "subject_id");
        violations.require_text(&request.action, 0, MAX_FILTER_CHARS, "action");
        let from = time("from", request.from.as_ref(), &mut violations);
        let to = time("to", request.to.as_ref(), &mut violations);
        violations.finish()?;
        let actor_id = match request.actor_id.as_str() {
            "" => None,
            id => Some(parse_uuid("actor_id", id)?),
        };
        Ok(Self {
            actor_id,
            subject_id: request.subject_id,
            action: request.action,
            from,
            to,
            before: page::decode(&request.cursor)?,
            limit: page::limit(request.limit, DEFAULT_LIMIT)?,
        })
    }
}

/// Returns a time that both protobuf and Postgres can represent.
fn time(
    field: &str,
    at: Option<&prost_types::Timestamp>,
    violations: &mut Violations,
) -> Option<OffsetDateTime> {
    let time = timestamp::from_proto(at?).filter(|time| (2..=9998).contains(&time.year()));
    violations.require(time.is_some(), field, "must be between the years 2 and 9998");
    time
}

/// A row of the view `audit_entries`.
#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    created_at: OffsetDateTime,
    action: String,
    actor_kind: String,
    actor: Option<Uuid>,
    actor_id: Option<String>,
    client: Option<String>,
    subject_kind: Option<String>,
    subject: Option<String>,
    subject_id: Option<String>,
    details: Json<serde_json::Value>,
    before_digest: Option<Vec<u8>>,
    after_digest: Option<Vec<u8>>,
}

impl AuditLog {
    /// Returns up to `limit + 1` events, newest first.
    async fn list(self, db: &Pool, filter: Filter) -> sqlx::Result<Vec<Row>> {
        let schema = self.schema;
        let mut query = QueryBuilder::new("");
        // A user has several pseudonyms. Each is read in the order of an index, which ends at the limit.
        let pseudonyms =
            |column| format!("array(select {column} from {schema}.audit_pseudonyms where value = ");
        if let Some(actor) = filter.actor_id {
            query.push("select e.* from unnest(").push(pseudonyms("pseudonym")).push_bind(actor.to_string());
            query.push(") || ").push_bind(actor).push(") as key cross join lateral (");
        } else if !filter.subject_id.is_empty() {
            query.push("select e.* from unnest(").push(pseudonyms("pseudonym::text"));
            query.push_bind(filter.subject_id.clone()).push(") || ").push_bind(filter.subject_id.clone());
            query.push("::text) as key cross join lateral (");
        }
        query.push(format!(
            "select id, created_at, action, actor_kind, actor, actor_id, client, subject_kind, subject, subject_id,
                    details, before_digest, after_digest
             from {schema}.audit_entries where true"
        ));
        if filter.actor_id.is_some() {
            query.push(" and actor = key");
            if !filter.subject_id.is_empty() {
                query.push(" and subject_id = ").push_bind(filter.subject_id.clone());
            }
        } else if !filter.subject_id.is_empty() {
            query.push(" and subject = key");
        }
        if !filter.action.is_empty() {
            query.push(" and action = ").push_bind(filter.action);
        }
        // The ids contain times, too, of other clocks, and are in the index.
        if let Some(from) = filter.from {
            query.push(" and created_at >= ").push_bind(from);
            query.push(" and id >= ").push_bind(lowest_id(from - MAX_DIFFERENCE));
        }
        if let Some(to) = filter.to {
            query.push(" and created_at < ").push_bind(to);
            query.push(" and id < ").push_bind(lowest_id(to + MAX_DIFFERENCE));
        }
        if let Some(before) = filter.before {
            query.push(" and id < ").push_bind(before);
        }
        query.push(" order by id desc limit ").push_bind(filter.limit + 1);
        if filter.actor_id.is_some() || !filter.subject_id.is_empty() {
            query.push(") e order by id desc limit ").push_bind(filter.limit + 1);
        }
        query.build_query_as().fetch_all(db).await
    }
}

/// The lowest UUIDv7 of a time.
fn lowest_id(at: OffsetDateTime) -> Uuid {
    let milliseconds = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

impl From<Row> for AuditEvent {
    fn from(row: Row) -> Self {
        let kind = match row.actor_kind.as_str() {
            "user" => ActorKind::User,
            "api_key" => ActorKind::ApiKey,
            "anonymous" => ActorKind::Anonymous,
            "system" => ActorKind::System,
            _ => ActorKind::Unspecified,
        };
        Self {
            id: row.id.to_string(),
            created_at: Some(timestamp::to_proto(row.created_at)),
            action: row.action,
            actor_kind: kind.into(),
            actor_id: row.actor_id.unwrap_or_default(),
            actor_pseudonym: row.actor.map(|id| id.to_string()).unwrap_or_default(),
            client_address: row.client.unwrap_or_default(),
            subject_kind: row.subject_kind.unwrap_or_default(),
            subject_id: row.subject_id.unwrap_or_default(),
            subject_pseudonym: row.subject.unwrap_or_default(),
            details_json: row.details.0.to_string(),
            before_digest: row.before_digest.unwrap_or_default(),
            after_digest: row.after_digest.unwrap_or_default(),
        }
    }
}
