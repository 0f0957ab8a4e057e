//! `MailService`: the mails of a service, for admins.

use bodega_proto::mail::v1::{
    self as pb, ListMailsRequest, ListMailsResponse, MailStatus, ResendMailRequest, ResendMailResponse,
    mail_service_server::MailService,
};
use bodega_runtime::{
    auth::Caller,
    page,
    status::{self, parse_uuid, rejected},
    timestamp,
};
use time::OffsetDateTime;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::{Outbox, outbox::ListedMail};

const DEFAULT_LIMIT: i32 = 20;

/// The mails of a service, for admins.
pub struct MailApi {
    outbox: Outbox,
    has_mailer: bool,
}

impl MailApi {
    /// Returns the API of an outbox. Without a mailer, mails cannot be sent again.
    pub fn new(outbox: Outbox, has_mailer: bool) -> Self {
        Self { outbox, has_mailer }
    }
}

#[tonic::async_trait]
impl MailService for MailApi {
    async fn list_mails(
        &self,
        request: Request<ListMailsRequest>,
    ) -> Result<Response<ListMailsResponse>, Status> {
        Caller::admin_of(&request)?;
        let request = request.into_inner();
        let limit = page::limit(request.limit, DEFAULT_LIMIT)?;
        let status = match request.status() {
            MailStatus::Unspecified => None,
            MailStatus::Pending => Some("pending"),
            MailStatus::Sent => Some("sent"),
            MailStatus::Failed => Some("failed"),
        };
        let after = match page::decode::<(i64, Uuid)>(&request.cursor)? {
            Some((microseconds, id)) => Some((time(microseconds).ok_or_else(page::invalid_cursor)?, id)),
            None => None,
        };
        let mails = self.outbox.list(status, after, limit).await.map_err(|error| status::database(&error))?;
        Ok(Response::new(ListMailsResponse { mails: mails.into_iter().map(Into::into).collect() }))
    }

    async fn resend_mail(
        &self,
        request: Request<ResendMailRequest>,
    ) -> Result<Response<ResendMailResponse>, Status> {
        Caller::admin_of(&request)?;
        let id = parse_uuid("id", &request.get_ref().id)?;
        if !self.has_mailer && self.outbox.is_failed(id).await.map_err(|error| status::database(&error))? {
            return Err(not_configured());
        }
        match self.has_mailer && self.outbox.resend(id).await.map_err(|error| status::database(&error))? {
            true => Ok(Response::new(ResendMailResponse {})),
            false => Err(rejected(Code::NotFound, "mail_not_found", "there is no failed mail with this id")),
        }
    }
}

/// The rejection of calls that need a mail to be sent.
pub fn not_configured() -> Status {
    rejected(Code::FailedPrecondition, "mail_not_configured", "no SMTP server is configured")
}

/// Times in a cursor have the precision of the database.
fn time(microseconds: i64) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * 1000).ok();
    time.filter(|time| time.year() >= 1)
}

impl From<ListedMail> for pb::Mail {
    fn from(mail: ListedMail) -> Self {
        let status = match (mail.sent_at, &mail.rejection) {
            (Some(_), _) => MailStatus::Sent,
            (None, Some(_)) => MailStatus::Failed,
            (None, None) => MailStatus::Pending,
        };
        Self {
            id: mail.id.to_string(),
            kind: mail.kind,
            user_id: mail.user_id.map(|id| id.to_string()).unwrap_or_default(),
            email: mail.email.unwrap_or_default(),
            status: status.into(),
            discarded: mail.discarded,
            attempts: mail.attempts,
            rejection: mail.rejection.unwrap_or_default(),
            created_at: Some(timestamp::to_proto(mail.created_at)),
            sent_at: mail.sent_at.map(timestamp::to_proto),
        }
    }
}
