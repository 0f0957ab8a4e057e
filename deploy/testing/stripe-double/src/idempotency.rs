//! The responses stored under idempotency keys. See <https://docs.stripe.com/api/idempotent_requests>.

use std::collections::HashMap;

use crate::{error::Error, response::ApiResponse};

const MAX_KEY_LENGTH: usize = 255;

/// The idempotency keys used so far.
#[derive(Default)]
pub(crate) struct IdempotencyKeys(HashMap<String, UsedKey>);

struct UsedKey {
    path: String,
    fingerprint: String,
    /// `None` while the first request is executing.
    response: Option<ApiResponse>,
}

impl IdempotencyKeys {
    /// Reserves a key for a request, or returns the stored response of the same request.
    ///
    /// # Errors
    /// When the key was used for another request, or the same request is still executing.
    pub(crate) fn begin(
        &mut self,
        key: &str,
        path: &str,
        fingerprint: &str,
    ) -> Result<Option<ApiResponse>, Error> {
        if key.len() > MAX_KEY_LENGTH {
            let message = format!("Idempotency keys can be up to {MAX_KEY_LENGTH} characters long.");
            return Err(Error::idempotency(message));
        }
        let Some(used) = self.0.get(key) else {
            let used = UsedKey { path: path.to_owned(), fingerprint: fingerprint.to_owned(), response: None };
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
        match &used.response {
            Some(response) => Ok(Some(response.to_replay())),
            None => Err(Error::key_in_use(key)),
        }
    }

    /// Stores the response to the request that reserved a key.
    pub(crate) fn finish(&mut self, key: &str, response: &ApiResponse) {
        if let Some(used) = self.0.get_mut(key) {
            used.response = Some(response.clone());
        }
    }
}
