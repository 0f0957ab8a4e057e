//! The answers that are kept under idempotency keys. See <https://docs.stripe.com/api/idempotent_requests>.

use std::collections::HashMap;

use super::{error::Error, reply::Reply};

const LONGEST_KEY: usize = 255;

/// What is known of each key.
#[derive(Default)]
pub(crate) struct Keys(HashMap<String, Used>);

struct Used {
    path: String,
    fingerprint: String,
    /// `None` while the first call is being carried out.
    reply: Option<Reply>,
}

impl Keys {
    /// Takes a key for a call; or answers what the same call was answered before.
    ///
    /// # Errors
    /// When another call has the key, or the same one is being carried out.
    pub(crate) fn begin(&mut self, key: &str, path: &str, fingerprint: &str) -> Result<Option<Reply>, Error> {
        if key.len() > LONGEST_KEY {
            let message = format!("Idempotency keys can be up to {LONGEST_KEY} characters long.");
            return Err(Error::idempotency(message));
        }
        let Some(used) = self.0.get(key) else {
            let used = Used { path: path.to_owned(), fingerprint: fingerprint.to_owned(), reply: None };
            self.0.insert(key.to_owned(), used);
            return Ok(None);
        };
        let differs = match () {
            () if used.path != path => {
                Some(format!("for the same endpoint they were first used for ('{}' vs '{path}')", used.path))
            }
            () if used.fingerprint != fingerprint => {
                Some("with the same parameters they were first used with".to_owned())
            }
            () => None,
        };
        if let Some(differs) = differs {
            return Err(Error::idempotency(format!(
                "Keys for idempotent requests can only be used {differs}. Try using a key other than '{key}' if you \
                 meant to execute a different request."
            )));
        }
        match &used.reply {
            Some(reply) => Ok(Some(reply.replayed())),
            None => Err(Error::key_in_use(key)),
        }
    }

    /// Keeps the answer to the call that took a key.
    pub(crate) fn finish(&mut self, key: &str, reply: &Reply) {
        if let Some(used) = self.0.get_mut(key) {
            used.reply = Some(reply.clone());
        }
    }
}
