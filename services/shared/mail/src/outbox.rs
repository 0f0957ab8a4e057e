//! SQL of `mails`.
//!
//! identity and orders each have this table in their own schema, and the role of each can access no other. Only the schema
//! differs, so the statements are not checked at compile time: the tests of both services run all of them.

use std::time::Duration;

use bodega_runtime::{database::Pool, timeouts::MAIL_LEASE};
use sqlx::{AssertSqlSafe, PgExecutor, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Time after which a mail that could not be sent is given up.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(48 * 3600);
/// Time for which rows are kept. Until then the same mail is not written again.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
/// Rows that a cleanup deletes at a time.
const BATCH: i64 = 1_000;

/// The outbox of a service. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    pub(crate) db: Pool,
    pub(crate) schema: &'static str,
}

/// A mail to be sent.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Mail {
    /// Id of the row, and of the message.
    pub id: Uuid,
    /// What it is about.
    pub kind: String,
    /// The user who receives it.
    pub user_id: Option<Uuid>,
    /// The normalized address that receives it, if it is not that of the user.
    pub email: Option<String>,
    /// What the mail needs beside the user.
    pub params: Json<serde_json::Value>,
    /// Attempts to send it, including this one.
    pub attempts: i32,
    /// When it was written, or sent again by an admin.
    pub created_at: OffsetDateTime,
}

/// A mail to be written. At most one mail has a `dedupe_key`; further ones are ignored.
#[derive(Debug)]
pub struct NewMail<'a> {
    /// What it is about.
    pub kind: &'a str,
    /// Identifies the mail.
    pub dedupe_key: &'a str,
    /// The user who receives it.
    pub user_id: Option<Uuid>,
    /// The normalized address that receives it, if it is not that of the user.
    pub email: Option<&'a str>,
    /// What the mail needs beside the user. Never a token.
    pub params: serde_json::Value,
}

/// A mail as admins see it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct ListedMail {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) email: Option<String>,
    pub(crate) attempts: i32,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) sent_at: Option<OffsetDateTime>,
    pub(crate) discarded: bool,
    pub(crate) rejection: Option<String>,
}

/// Mails that wait or were rejected; at most 10,000 are counted.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Backlog {
    pub(crate) unsent: i64,
    pub(crate) oldest: f64,
    pub(crate) rejected: i64,
}

impl Outbox {
    /// Returns the outbox of the service that owns `schema`.
    pub fn new(db: Pool, schema: &'static str) -> Self {
        Self { db, schema }
    }

    /// Writes a mail, which is sent after the commit.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add(schema: &'static str, db: impl PgExecutor<'_>, mail: &NewMail<'_>) -> sqlx::Result<()> {
        let sql = format!(
            "insert into {schema}.mails (id, kind, dedupe_key, user_id, email, params) values ($1, $2, $3, $4, $5, $6)
             on conflict on constraint one_mail_per_dedupe_key do nothing"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(Uuid::now_v7())
            .bind(mail.kind)
            .bind(mail.dedupe_key)
            .bind(mail.user_id)
            .bind(mail.email)
            .bind(Json(&mail.params))
            .execute(db)
            .await?;
        Ok(())
    }

    /// Claims mails that are due: no other replica claims them until the lease ends.
    pub(crate) async fn claim(&self, limit: i64) -> sqlx::Result<Vec<Mail>> {
        let sql = format!(
            "with due as (
                 select id from {schema}.mails
                 where next_attempt_at <= now() and sent_at is null and rejection is null
                 order by next_attempt_at limit $1
                 for update skip locked
             )
             update {schema}.mails m
             set attempts = m.attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
             from due where m.id = due.id
             returning m.id, m.kind, m.user_id, m.email, m.params, m.attempts, m.created_at",
            schema = self.schema,
        );
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(limit).bind(MAIL_LEASE.as_secs_f64());
        query.fetch_all(&self.db).await
    }

    /// Records the mails that were sent, and those that need not be sent.
    pub(crate) async fn finish(&self, sent: &[Uuid], discarded: &[Uuid]) -> sqlx::Result<()> {
        let sql = format!(
            "update {}.mails set sent_at = now(), discarded = id = any($2)
             where (id = any($1) or id = any($2)) and sent_at is null and rejection is null",
            self.schema,
        );
        sqlx::query(AssertSqlSafe(sql)).bind(sent).bind(discarded).execute(&self.db).await?;
        Ok(())
    }

    /// Records that a mail was rejected for good.
    pub(crate) async fn reject(&self, id: Uuid, rejection: &str) -> sqlx::Result<()> {
        let sql =
            format!("update {}.mails set rejection = $2 where id = $1 and sent_at is null", self.schema);
        sqlx::query(AssertSqlSafe(sql)).bind(id).bind(rejection).execute(&self.db).await?;
        Ok(())
    }

    /// Sends a mail again after `pause`.
    pub(crate) async fn postpone(&self, id: Uuid, pause: Duration) -> sqlx::Result<()> {
        let sql = format!(
            "update {}.mails set next_attempt_at = now() + make_interval(secs => $2)
             where id = $1 and sent_at is null and rejection is null",
            self.schema,
        );
        sqlx::query(AssertSqlSafe(sql)).bind(id).bind(pause.as_secs_f64()).execute(&self.db).await?;
        Ok(())
    }

    /// Lists mails, the latest first, of a status: `pending`, `sent`, `failed` or all.
    pub(crate) async fn list(
        &self,
        status: Option<&str>,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: i64,
    ) -> sqlx::Result<Vec<ListedMail>> {
        let sql = format!(
            "select id, kind, user_id, email, attempts, created_at, sent_at, discarded, rejection
             from {}.mails
             where case $1 when 'failed' then sent_at is null and rejection is not null
                           when 'pending' then sent_at is null and rejection is null
                           when 'sent' then sent_at is not null and not discarded
                           else true end
               and ($2::timestamptz is null or (created_at, id) < ($2, $3))
             order by created_at desc, id desc limit $4",
            self.schema,
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(status)
            .bind(after.map(|(time, _)| time))
            .bind(after.map(|(_, id)| id))
            .bind(limit)
            .fetch_all(&self.db)
            .await
    }

    /// Returns whether a mail was rejected.
    pub(crate) async fn is_failed(&self, id: Uuid) -> sqlx::Result<bool> {
        let sql = format!(
            "select exists (select from {}.mails where id = $1 and sent_at is null and rejection is not null)",
            self.schema,
        );
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(id).fetch_one(&self.db).await
    }

    /// Makes a rejected mail due again. Returns whether there is one.
    pub(crate) async fn resend(&self, id: Uuid) -> sqlx::Result<bool> {
        let sql = format!(
            "update {}.mails set rejection = null, attempts = 0, next_attempt_at = now(), created_at = now()
             where id = $1 and sent_at is null and rejection is not null",
            self.schema,
        );
        Ok(sqlx::query(AssertSqlSafe(sql)).bind(id).execute(&self.db).await?.rows_affected() > 0)
    }

    /// Deletes some old rows; without a mailer also those that have waited for an hour for a replica that has one. Returns
    /// whether there may be more.
    pub(crate) async fn delete_old(&self, has_mailer: bool) -> sqlx::Result<bool> {
        let sql = format!(
            "delete from {schema}.mails where id in (
                 select id from {schema}.mails
                 where created_at < now() - make_interval(secs => $1) and (sent_at is not null or rejection is not null)
                    or not $2 and created_at < now() - interval '1 h' and sent_at is null and rejection is null
                 limit $3
             )",
            schema = self.schema,
        );
        let query =
            sqlx::query(AssertSqlSafe(sql)).bind(RETENTION.as_secs_f64()).bind(has_mailer).bind(BATCH);
        let deleted = query.execute(&self.db).await?.rows_affected();
        Ok(i64::try_from(deleted).is_ok_and(|deleted| deleted == BATCH))
    }

    pub(crate) async fn backlog(&self) -> sqlx::Result<Backlog> {
        let sql = format!(
            "with unsent as (
                 select created_at from {schema}.mails where sent_at is null and rejection is null
                 order by next_attempt_at limit 10000
             ), rejected as (
                 select from {schema}.mails where sent_at is null and rejection is not null limit 10000
             )
             select (select count(*) from unsent) as unsent,
                    (select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from unsent) as oldest,
                    (select count(*) from rejected) as rejected",
            schema = self.schema,
        );
        sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&self.db).await
    }
}
