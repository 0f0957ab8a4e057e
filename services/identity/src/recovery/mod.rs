//! A way back into an account: password reset, confirmation of the address, and the undo of a change of the address.
//!
//! A call writes a row to `identity.mails` in the transaction of what causes it; [`mails`] turns it into a mail. The token is
//! created when the mail is sent, and only its hash is stored. It is void once the account has another address, except that
//! of an undo: that one is valid while the earlier address can be restored.

pub(crate) mod db;
mod email;
mod mails;
mod password;

use bodega_runtime::status::Violations;

pub(crate) use self::{
    email::{record_change, request_verification, resend_verification, undo_change, verify},
    mails::{IdentityMails, MailKind, enqueue},
    password::{parse_email, request_reset, reset, send_reset},
};
use crate::{
    error::Error,
    sessions::refresh_token::{self, Hash},
};

/// Tokens of mails have the form of refresh tokens.
fn hash(token: &str) -> Result<Hash, Error> {
    const MAX_BYTES: usize = 128;
    let mut violations = Violations::new();
    violations.require(!token.is_empty(), "token", "must not be empty");
    violations.finish()?;
    if token.len() > MAX_BYTES { Err(Error::InvalidToken) } else { Ok(refresh_token::hash(token)) }
}
