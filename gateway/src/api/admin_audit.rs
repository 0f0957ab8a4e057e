//! `/api/admin/audit`: the audit logs of identity, catalog and order as one list.

use axum::extract::State;
use bodega_proto::audit::v1::{self as pb, ListAuditEventsRequest};
use bodega_runtime::page;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tonic::Status;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::App,
    extract::{AdminOrKey, Json, Limit, Query},
    json::{Page, Timestamp, non_empty},
    problem::Problem,
};

/// Events on a page if the client sets no limit.
const DEFAULT_LIMIT: i32 = 20;

/// A service with an audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuditedService {
    Identity,
    Catalog,
    Order,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only events of this service. The others need not be available then.
    #[param(inline)]
    service: Option<AuditedService>,
    /// Only events with this action.
    #[serde(default)]
    #[param(max_length = 100, example = "product.updated")]
    action: String,
    /// Only events of the user or API key with this id.
    actor: Option<Uuid>,
    /// Only events about the user, product, order or other subject with this id.
    #[serde(default)]
    #[param(max_length = 100)]
    subject: String,
    /// Only events that were recorded at this time or later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Only events that were recorded before this time.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<Timestamp>,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filters.
    #[serde(default)]
    cursor: String,
}

/// What has caused an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AuditActorKind {
    User,
    ApiKey,
    /// A client that is not signed in.
    Anonymous,
    /// The command line or a worker.
    System,
}

/// The user or API key that has caused an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditActor {
    kind: AuditActorKind,
    /// Id of the user or API key. Null for others, and for a user who was erased.
    id: Option<Uuid>,
    /// Stands for the user in the log, also after the user was erased.
    pseudonym: Option<Uuid>,
}

/// What an event is about.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditSubject {
    /// Such as `user`, `product` or `order`.
    #[schema(example = "product")]
    kind: String,
    /// Its id. Null for a user who was erased.
    #[schema(example = "7")]
    id: Option<String>,
    /// The pseudonym of a user, otherwise the id.
    #[schema(example = "7")]
    pseudonym: String,
}

/// A recorded change, or an event of the security of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEvent {
    /// Its id, which grows with time.
    id: Uuid,
    /// The service that has recorded it: identity, catalog or order.
    #[schema(example = "catalog")]
    service: &'static str,
    /// When it was recorded.
    created_at: Timestamp,
    /// The kind of the subject, and what was done.
    #[schema(example = "product.updated")]
    action: String,
    actor: AuditActor,
    /// Address of the client. Null without one, and when it was erased.
    #[schema(example = "203.0.113.7")]
    client_address: Option<String>,
    subject: Option<AuditSubject>,
    /// What has happened, an object that depends on the action.
    #[schema(value_type = Object, example = json!({"changed": {"priceMinor": [1999, 1899]}}))]
    details: Box<RawValue>,
    /// SHA-256 of the state of the subject before the change, in hexadecimal.
    before_digest: Option<String>,
    /// SHA-256 of the state of the subject after the change, in hexadecimal.
    after_digest: Option<String>,
}

/// Lists the audit log.
///
/// Requires an admin's access token. Newest events first. Filters are combined with "and". Failed logins are counted per account,
/// client and hour.
#[utoipa::path(
    get, path = "/api/admin/audit", tag = "Audit", params(AuditQuery), security(("bearer" = ["audit:read"])),
    responses(
        (status = OK, description = "A page of audit events.", body = Page<AuditEvent>),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: AdminOrKey,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEvent>>, Problem> {
    let limit = page::limit(query.limit.get(), DEFAULT_LIMIT)?;
    let request = ListAuditEventsRequest {
        actor_id: query.actor.map(|id| id.to_string()).unwrap_or_default(),
        subject_id: query.subject,
        action: query.action,
        from: query.from.map(Into::into),
        to: query.to.map(Into::into),
        limit: query.limit.get(),
        cursor: query.cursor,
    };
    let logs =
        app.audit_logs().into_iter().filter(|(name, _)| query.service.is_none_or(|one| one.name() == *name));
    let pages = logs.map(|(service, mut log)| {
        let request = request.clone();
        async move { log.list_audit_events(request).await.map(|page| (service, page.into_inner())) }
    });
    let mut items = Vec::new();
    let mut has_more = false;
    for (service, page) in try_join_all(pages).await.map_err(rejection)? {
        has_more |= !page.next_cursor.is_empty();
        for event in page.events {
            items.push(AuditEvent::new(service, event)?);
        }
    }
    items.sort_unstable_by_key(|event| std::cmp::Reverse(event.id));
    let mut next_cursor = page::truncate(&mut items, limit, |event| event.id);
    if let (true, "", Some(last)) = (has_more, next_cursor.as_str(), items.last()) {
        next_cursor = page::encode(&last.id);
    }
    Ok(Json(Page { items, next_cursor }))
}

impl AuditedService {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Catalog => "catalog",
            Self::Order => "order",
        }
    }
}

impl AuditEvent {
    fn new(service: &'static str, event: pb::AuditEvent) -> Result<Self, Problem> {
        let kind = match event.actor_kind() {
            pb::ActorKind::User => AuditActorKind::User,
            pb::ActorKind::ApiKey => AuditActorKind::ApiKey,
            pb::ActorKind::Anonymous => AuditActorKind::Anonymous,
            pb::ActorKind::System | pb::ActorKind::Unspecified => AuditActorKind::System,
        };
        let subject = AuditSubject {
            kind: event.subject_kind,
            id: non_empty(event.subject_id),
            pseudonym: event.subject_pseudonym,
        };
        Ok(Self {
            id: event.id.parse().map_err(|_| Problem::internal())?,
            service,
            created_at: event.created_at.into(),
            action: event.action,
            actor: AuditActor {
                kind,
                id: event.actor_id.parse().ok(),
                pseudonym: event.actor_pseudonym.parse().ok(),
            },
            client_address: non_empty(event.client_address),
            subject: Some(subject).filter(|subject| !subject.kind.is_empty()),
            details: RawValue::from_string(event.details_json).map_err(|_| Problem::internal())?,
            before_digest: hexadecimal(&event.before_digest),
            after_digest: hexadecimal(&event.after_digest),
        })
    }
}

fn rejection(status: Status) -> Problem {
    Problem::from(status).renaming("subjectId", "subject").of_query()
}

fn hexadecimal(digest: &[u8]) -> Option<String> {
    (!digest.is_empty()).then(|| digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
