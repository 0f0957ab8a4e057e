//! The worker that sends the mails of an outbox.

use std::time::Duration;

use bodega_runtime::{
    backoff::Backoff,
    log_throttle::LogThrottle,
    timeouts::{MAIL_BATCH, MAIL_COMPOSE, WORK},
    worker::Worker,
};
use futures_util::future::join_all;
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{Mail, Mailer, Outbox, Template, metrics, outbox::GIVE_UP, smtp::SendError};

const WORKER: Worker = Worker {
    name: "mail",
    interval: Duration::from_millis(500),
    idle_interval: Duration::from_secs(8),
    concurrency: 1,
    timeout: MAIL_BATCH,
};
const CLEANUP: Worker = Worker {
    name: "mail cleanup",
    interval: Duration::from_secs(600),
    idle_interval: Duration::from_secs(600),
    concurrency: 1,
    timeout: WORK,
};
/// Mails that are sent at the same time, each over a connection of its own.
const SMTP_BATCH: i64 = 8;
/// Mails that are put into the dev mailbox together.
const LOCAL_BATCH: i64 = 64;
/// Pauses between attempts.
const RETRY: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(6 * 3600));
/// Pause after a failure of the database or another service.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(5);

static FAILURES: LogThrottle = LogThrottle::new(Duration::from_secs(60));

/// The recipient and the contents of a mail.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Address of the recipient.
    pub to: String,
    /// What to render.
    pub template: Template,
    /// Data of the template.
    pub data: serde_json::Value,
}

/// What to do with a mail.
#[derive(Debug)]
pub enum Composed {
    /// Send it.
    Letter(Letter),
    /// Do not send it: there is no recipient, or no need for it any more.
    Discard,
}

/// Turns rows into letters.
pub trait Compose: Send + Sync + 'static {
    /// Returns what to do with each of the mails, in their order.
    ///
    /// # Errors
    /// When the database or another service is unavailable: all of them are retried.
    fn compose(&self, mails: &[Mail]) -> impl Future<Output = anyhow::Result<Vec<Composed>>> + Send;
}

impl Outbox {
    /// Sends mails until the future is dropped.
    pub async fn deliver(self, mailer: Mailer, compose: impl Compose) {
        metrics::start(self.schema);
        WORKER.repeat(|| self.deliver_batch(&mailer, &compose)).await;
    }

    /// Deletes old rows until the future is dropped. Without a mailer rows are not kept for long.
    pub async fn clean_up(self, has_mailer: bool) {
        CLEANUP.repeat(|| self.delete_old(has_mailer)).await;
    }

    /// Sends some mails. Returns whether there may be more.
    async fn deliver_batch(&self, mailer: &Mailer, compose: &impl Compose) -> anyhow::Result<bool> {
        let limit = if mailer.is_local() { LOCAL_BATCH } else { SMTP_BATCH };
        let mails = self.claim(limit).await?;
        if mails.is_empty() {
            return Ok(false);
        }
        let composed = match timeout(MAIL_COMPOSE, compose.compose(&mails)).await {
            Ok(Ok(composed)) => composed,
            failed => {
                let reason = failed.map_or_else(
                    |_| "timed out".to_owned(),
                    |failed| match failed {
                        Ok(_) => String::new(),
                        Err(error) => format!("{error:#}"),
                    },
                );
                warn!("cannot compose mails, retrying in {UNAVAILABLE_PAUSE:?}: {reason}");
                for mail in &mails {
                    self.postpone(mail.id, UNAVAILABLE_PAUSE).await?;
                }
                return Ok(false);
            }
        };
        let (mut sent, mut discarded) = (Vec::new(), Vec::new());
        let attempts = mails.iter().zip(&composed).map(async |(mail, composed)| match composed {
            Composed::Discard => (mail, None),
            Composed::Letter(letter) => (mail, Some(mailer.send(mail.id, letter).await)),
        });
        for (mail, outcome) in join_all(attempts).await {
            match outcome {
                None => discarded.push(mail.id),
                Some(Ok(())) => sent.push(mail.id),
                Some(Err(error)) => self.record_failure(mail, error).await?,
            }
        }
        self.record(&sent, &discarded).await?;
        Ok(true)
    }

    async fn record(&self, sent: &[Uuid], discarded: &[Uuid]) -> sqlx::Result<()> {
        if !sent.is_empty() || !discarded.is_empty() {
            self.finish(sent, discarded).await?;
            metrics::count(self.schema, "sent", sent.len());
            metrics::count(self.schema, "discarded", discarded.len());
        }
        Ok(())
    }

    /// Postpones a mail, or records that it is rejected. The texts of servers may contain addresses, and are not logged.
    async fn record_failure(&self, mail: &Mail, error: SendError) -> sqlx::Result<()> {
        let Mail { id, kind, attempts, created_at, .. } = mail;
        let pause = RETRY.pause(attempts - 1);
        let rejection = match error {
            SendError::Rejected(rejection) => rejection,
            SendError::Failed(reason) if OffsetDateTime::now_utc() + pause > *created_at + GIVE_UP => {
                format!("not sent within 48 hours: {reason}")
            }
            SendError::Failed(reason) => {
                metrics::count(self.schema, "retried", 1);
                if let Some(count) = FAILURES.count() {
                    warn!(mail.id = %id, mail.kind = kind, count, "cannot send mail, retrying in {pause:?}");
                    tracing::debug!(mail.id = %id, "{reason}");
                }
                return self.postpone(*id, pause).await;
            }
        };
        error!(mail.id = %id, mail.kind = kind, "mail rejected, will not be sent again unless an admin does so");
        metrics::count(self.schema, "rejected", 1);
        self.reject(*id, &rejection).await?;
        info!(mail.id = %id, "the reason is in {}.mails", self.schema);
        Ok(())
    }
}
