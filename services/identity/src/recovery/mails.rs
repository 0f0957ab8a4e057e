//! The mails of accounts: writing them to the outbox, and their contents when they are sent.

use bodega_mail::{Compose, Composed, Letter, Mail, NewMail, Outbox, PublicUrl, Template};
use bodega_runtime::database::Pool;
use serde_json::json;
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use super::db::{self, Purpose, Recipient, Token};
use crate::{SCHEMA, sessions::refresh_token};

/// Another reset or confirmation is mailed to the same address after this time.
const RESET_SLOT_SECONDS: i64 = 20 * 60;
const VERIFY_SLOT_SECONDS: i64 = 60;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MailKind {
    PasswordReset,
    VerifyEmail,
    EmailChanged,
    PasswordChanged,
}

impl MailKind {
    const ALL: [Self; 4] =
        [Self::PasswordReset, Self::VerifyEmail, Self::EmailChanged, Self::PasswordChanged];

    fn template(self) -> Template {
        match self {
            Self::PasswordReset => Template::PasswordReset,
            Self::VerifyEmail => Template::VerifyEmail,
            Self::EmailChanged => Template::EmailChanged,
            Self::PasswordChanged => Template::PasswordChanged,
        }
    }

    fn as_str(self) -> &'static str {
        self.template().name()
    }
}

/// Writes a mail to a user, or to a normalized address.
pub(crate) async fn enqueue(
    db: impl PgExecutor<'_>,
    kind: MailKind,
    user_id: Option<Uuid>,
    email: Option<&str>,
) -> sqlx::Result<()> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let to = format!("{}{}", user_id.map(|id| id.to_string()).unwrap_or_default(), email.unwrap_or_default());
    let name = kind.as_str();
    let dedupe_key = match kind {
        MailKind::PasswordReset => format!("{name}:{to}:{}", now / RESET_SLOT_SECONDS),
        MailKind::VerifyEmail => format!("{name}:{to}:{}", now / VERIFY_SLOT_SECONDS),
        MailKind::EmailChanged | MailKind::PasswordChanged => format!("{name}:{to}:{}", Uuid::now_v7()),
    };
    let mail = NewMail { kind: name, dedupe_key: &dedupe_key, user_id, email, params: json!({}) };
    Outbox::add(SCHEMA, db, &mail).await
}

/// Composes the mails of accounts.
pub(crate) struct IdentityMails {
    pub(crate) db: Pool,
    pub(crate) public_url: PublicUrl,
    /// The page that sets a new password.
    pub(crate) reset_url: String,
    /// The page that confirms an address.
    pub(crate) verify_url: String,
}

impl Compose for IdentityMails {
    async fn compose(&self, mails: &[Mail]) -> anyhow::Result<Vec<Composed>> {
        let ids: Vec<_> = mails.iter().filter_map(|mail| mail.user_id).collect();
        let emails: Vec<_> = mails.iter().filter_map(|mail| mail.email.clone()).collect();
        let recipients = db::recipients(&self.db, &ids, &emails).await?;
        let mut composed = Vec::with_capacity(mails.len());
        for mail in mails {
            let is_recipient = |user: &&Recipient| match mail.user_id {
                Some(id) => user.id == id,
                None => mail.email.as_ref() == Some(&user.email_normalized),
            };
            let letter = match recipients.iter().find(is_recipient) {
                Some(user) => self.letter(mail, user).await?,
                None => None,
            };
            composed.push(letter.map_or(Composed::Discard, Composed::Letter));
        }
        Ok(composed)
    }
}

impl IdentityMails {
    /// Returns the letter with a new token, or `None` if it is not needed any more.
    async fn letter(&self, mail: &Mail, user: &Recipient) -> anyhow::Result<Option<Letter>> {
        let Some(kind) = MailKind::ALL.into_iter().find(|kind| kind.as_str() == mail.kind) else {
            anyhow::bail!("unknown kind of mail: {}", mail.kind);
        };
        if user.disabled {
            return Ok(None);
        }
        let mut to = user.email.clone();
        let mut data = json!({"name": user.name});
        match kind {
            MailKind::PasswordReset => {
                let token = self.token(user.id, &user.email_normalized, Purpose::PasswordReset).await?;
                data["link"] = link(&self.reset_url, &token).into();
                data["hours"] = (Purpose::PasswordReset.lifetime().as_secs() / 3600).into();
            }
            MailKind::VerifyEmail if user.verified => return Ok(None),
            MailKind::VerifyEmail => {
                let token = self.token(user.id, &user.email_normalized, Purpose::VerifyEmail).await?;
                data["link"] = link(&self.verify_url, &token).into();
                data["days"] = days(Purpose::VerifyEmail).into();
            }
            MailKind::EmailChanged => {
                let earlier = mail.email.as_deref().unwrap_or_default();
                let Some(email) = db::earlier_email(&self.db, user.id, earlier).await? else {
                    return Ok(None);
                };
                let token = self.token(user.id, earlier, Purpose::UndoEmailChange).await?;
                data["link"] = link(&self.public_url.join("/account/undo-email-change"), &token).into();
                data["days"] = days(Purpose::UndoEmailChange).into();
                to = email;
            }
            MailKind::PasswordChanged => {
                data["link"] = self.public_url.join("/account/forgot-password").into();
            }
        }
        Ok(Some(Letter { to, template: kind.template(), data }))
    }

    async fn token(&self, user_id: Uuid, email: &str, purpose: Purpose) -> sqlx::Result<String> {
        let (token, hash) = refresh_token::generate();
        let row = Token { user_id, email_key: email.to_owned() };
        db::insert_token(&self.db, &hash, purpose, &row).await?;
        Ok(token)
    }
}

/// The token is in the fragment, which browsers send to no server.
fn link(page: &str, token: &str) -> String {
    format!("{page}#token={token}")
}

fn days(purpose: Purpose) -> u64 {
    purpose.lifetime().as_secs() / (24 * 3600)
}
