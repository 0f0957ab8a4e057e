//! `/api/admin/mails`: the mails of all services.

use std::cmp::Reverse;

use axum::extract::State;
use bodega_proto::mail::v1::{self as pb, ListMailsRequest, ResendMailRequest};
use bodega_runtime::{page, status};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tonic::Code;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::App,
    extract::{Admin, Json, Limit, Path, Query},
    json::{Page, Timestamp, non_empty},
    problem::Problem,
};

const DEFAULT_LIMIT: usize = 20;

/// What has become of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailStatus {
    /// Not sent yet.
    Pending,
    /// Sent, or discarded.
    Sent,
    /// Rejected by the SMTP server, or not sent within 48 hours.
    Failed,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MailsQuery {
    /// Only mails with this status.
    #[param(inline)]
    status: Option<MailStatus>,
    /// Maximum number of items in the page.
    #[serde(default)]
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100, default = 20)]
    limit: Limit,
    /// `nextCursor` of the previous page, with the same filters.
    #[serde(default)]
    cursor: String,
}

/// A mail that was or will be sent. Its text is not stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "0197f0c5-9a61-7d52-8d0b-0c1f4e9b2a77", "kind": "order_shipped",
    "userId": "0197f0c5-7d0e-7cc3-a3b5-6f1d2f1f7a10", "email": null, "status": "failed", "discarded": false,
    "attempts": 1, "rejection": "permanent error (550): no such mailbox",
    "createdAt": "2026-11-21T09:30:00.123456Z", "sentAt": null
}))]
pub(crate) struct Mail {
    /// Id of the mail, a UUID.
    id: String,
    /// What it is about.
    kind: String,
    /// Id of the user who receives it, or null.
    #[schema(required)]
    user_id: Option<String>,
    /// Address of the recipient if it is not that of the user, or null.
    #[schema(required)]
    email: Option<String>,
    /// What has become of it.
    status: MailStatus,
    /// Whether it was not sent because there was no recipient or no need for it.
    discarded: bool,
    /// Attempts to send it.
    attempts: i32,
    /// Why it failed, or null.
    #[schema(required)]
    rejection: Option<String>,
    /// When it was written, or sent again.
    created_at: Timestamp,
    /// When it was sent or discarded, or null.
    #[schema(required, value_type = Option<Timestamp>)]
    sent_at: Option<Timestamp>,
}

impl From<pb::Mail> for Mail {
    fn from(mail: pb::Mail) -> Self {
        Self {
            status: match mail.status() {
                pb::MailStatus::Unspecified | pb::MailStatus::Pending => MailStatus::Pending,
                pb::MailStatus::Sent => MailStatus::Sent,
                pb::MailStatus::Failed => MailStatus::Failed,
            },
            id: mail.id,
            kind: mail.kind,
            user_id: non_empty(mail.user_id),
            email: non_empty(mail.email),
            discarded: mail.discarded,
            attempts: mail.attempts,
            rejection: non_empty(mail.rejection),
            created_at: mail.created_at.into(),
            sent_at: Timestamp::of(mail.sent_at),
        }
    }
}

/// Lists the mails of all services.
///
/// Requires an admin's access token. Newest mails first.
#[utoipa::path(
    get, path = "/api/admin/mails", tag = "Operations", params(MailsQuery), security(("bearer" = [])),
    responses(
        (status = OK, description = "A page of mails.", body = Page<Mail>),
        (status = FORBIDDEN),
    )
)]
pub(crate) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(query): Query<MailsQuery>,
) -> Result<Json<Page<Mail>>, Problem> {
    let limit = match query.limit.get() {
        0 => DEFAULT_LIMIT,
        limit => usize::try_from(limit).unwrap_or(DEFAULT_LIMIT),
    };
    // One more than fits on the page shows whether there is a next page.
    let requested = i32::try_from(limit + 1).unwrap_or(page::MAX_LIMIT).min(page::MAX_LIMIT);
    let status = match query.status {
        None => pb::MailStatus::Unspecified,
        Some(MailStatus::Pending) => pb::MailStatus::Pending,
        Some(MailStatus::Sent) => pb::MailStatus::Sent,
        Some(MailStatus::Failed) => pb::MailStatus::Failed,
    };
    let request = ListMailsRequest { status: status.into(), limit: requested, cursor: query.cursor };
    let (mut identity, mut order) = (app.account_mails(), app.order_mails());
    let (accounts, orders) =
        tokio::try_join!(identity.list_mails(request.clone()), order.list_mails(request))
            .map_err(Problem::from)?;
    let (mut mails, others) = (accounts.into_inner().mails, orders.into_inner().mails);
    let may_have_more = [&mails, &others].iter().any(|mails| mails.len() >= limit);
    mails.extend(others);
    mails.sort_unstable_by_key(|mail| Reverse(position(mail)));
    let has_more = mails.len() > limit || may_have_more && limit == page::MAX_LIMIT as usize;
    mails.truncate(limit);
    let next_cursor = match mails.last().filter(|_| has_more) {
        Some(last) => page::encode(&position(last)),
        None => String::new(),
    };
    Ok(Json(Page { items: mails.into_iter().map(Mail::from).collect(), next_cursor }))
}

/// The time in microseconds, the precision of the database, and the id.
fn position(mail: &pb::Mail) -> (i64, Uuid) {
    let time = mail.created_at.unwrap_or_default();
    (time.seconds * 1_000_000 + i64::from(time.nanos / 1_000), mail.id.parse().unwrap_or_default())
}

/// Sends a failed mail again.
///
/// Requires an admin's access token.
#[utoipa::path(
    post, path = "/api/admin/mails/{id}/resend", tag = "Operations",
    params(("id" = Uuid, Path, description = "Id of the mail.")), security(("bearer" = [])),
    responses(
        (status = ACCEPTED, description = "The mail will be sent. No content."),
        (status = FORBIDDEN),
        (status = NOT_FOUND, description = "There is no failed mail with this id (`mail_not_found`)."),
        (status = SERVICE_UNAVAILABLE, description = "No mail can be sent (`mail_not_configured`)."),
    )
)]
pub(crate) async fn resend(
    State(app): State<App>,
    _: Admin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let request = ResendMailRequest { id: id.to_string() };
    match app.account_mails().resend_mail(request.clone()).await {
        Err(error) if error.code() == Code::NotFound && status::reason(&error) == "mail_not_found" => {
            app.order_mails().resend_mail(request).await?;
        }
        result => drop(result?),
    }
    Ok(StatusCode::ACCEPTED)
}
