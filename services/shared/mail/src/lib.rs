//! E-mail: an outbox in the database of a service, templates, and delivery over SMTP.
//!
//! A service writes a row of its table `mails` in the transaction that causes the mail ([`Outbox::add`], or a trigger). The
//! worker ([`Outbox::deliver`]) claims rows, asks the service for the recipient and the contents ([`Compose`]), renders the
//! template, sends the mail, and records that. After a crash in between the mail is sent again with the same `Message-ID`:
//! at least once. A row has no secret: tokens are created when a mail is sent.

#![warn(missing_docs)]

mod api;
mod config;
mod dev_mailbox;
mod mailer;
mod metrics;
mod outbox;
mod smtp;
mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod worker;

pub use self::{
    api::{MailApi, not_configured},
    config::{MailArgs, PublicUrl, SmtpUrl, mailbox},
    dev_mailbox::DevMailbox,
    mailer::Mailer,
    outbox::{Mail, NewMail, Outbox},
    template::Template,
    worker::{Compose, Composed, Letter},
};

/// An address with an optional display name: `Shop <shop@example.com>`.
pub type Mailbox = lettre::message::Mailbox;
