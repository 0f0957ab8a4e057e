//! The keys of an account, and what they say of themselves.

use anyhow::ensure;

use super::signature::Secrets;

/// What an account of Stripe is used with. Has no `Debug`: most of it is secret.
pub(crate) struct Keys {
    /// May do everything that we do.
    pub(super) secret: String,
    /// For browsers.
    pub(super) publishable: String,
    /// Sign its events.
    pub(super) webhook: Secrets,
    /// Whether real money moves.
    pub(super) livemode: bool,
}

impl Keys {
    /// The keys as the dashboard shows them: `sk_...` or `rk_...`, `pk_...`, and `whsec_...`; several of the latter,
    /// separated by commas or spaces, while it is rolled.
    ///
    /// # Errors
    /// When one is in the place of another, or they do not belong together. Names the variable, not its value.
    pub(crate) fn new(secret: &str, publishable: &str, webhook: &str) -> anyhow::Result<Self> {
        let starts_with_one = |key: &str, starts: &[&str]| starts.iter().any(|start| key.starts_with(start));
        ensure!(
            starts_with_one(secret, &["sk_", "rk_"]),
            "STRIPE_SECRET_KEY is no secret key of Stripe's: those start with sk_ or rk_"
        );
        ensure!(
            publishable.starts_with("pk_"),
            "STRIPE_PUBLISHABLE_KEY is no publishable key of Stripe's: those start with pk_"
        );
        let secrets: Vec<_> = webhook.split([',', ' ']).filter(|secret| !secret.is_empty()).collect();
        ensure!(
            !secrets.is_empty() && secrets.iter().all(|secret| secret.starts_with("whsec_")),
            "STRIPE_WEBHOOK_SECRET is no secret of a webhook endpoint of Stripe's: those start with whsec_"
        );
        let livemode = starts_with_one(secret, &["sk_live_", "rk_live_"]);
        ensure!(
            livemode == publishable.starts_with("pk_live_"),
            "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY do not belong together: one is live, one is for tests"
        );
        Ok(Self {
            secret: secret.to_owned(),
            publishable: publishable.to_owned(),
            webhook: Secrets::new(secrets),
            livemode,
        })
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::provider::stripe::vectors::{NOW, OTHER_SECRET, SECRET, VECTORS};

    const SK: &str = "sk_test_hunter2";
    const PK: &str = "pk_test_hunter2";

    #[test]
    fn the_mode_is_that_of_the_keys() {
        for (secret, publishable, livemode) in [
            (SK, PK, false),
            ("rk_test_1", "pk_test_1", false),
            ("sk_1", "pk_1", false),
            ("sk_live_1", "pk_live_1", true),
            ("rk_live_1", "pk_live_1", true),
        ] {
            assert_eq!(Keys::new(secret, publishable, SECRET).unwrap().livemode, livemode, "{secret}");
        }
    }

    #[test]
    fn a_key_in_the_place_of_another_is_refused() {
        for (secret, publishable, webhook, named) in [
            (PK, SK, SECRET, "STRIPE_SECRET_KEY is no"),
            (SECRET, PK, SK, "STRIPE_SECRET_KEY is no"),
            (SK, SK, SECRET, "STRIPE_PUBLISHABLE_KEY is no"),
            (SK, PK, SK, "STRIPE_WEBHOOK_SECRET is no"),
            (SK, PK, "whsec_1,hunter2", "STRIPE_WEBHOOK_SECRET is no"),
            (SK, PK, " , ", "STRIPE_WEBHOOK_SECRET is no"),
            (SK, "pk_live_1", SECRET, "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY do not belong"),
            ("rk_live_1", PK, SECRET, "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY do not belong"),
        ] {
            let rejection = Keys::new(secret, publishable, webhook).err().unwrap().to_string();
            assert!(rejection.starts_with(named) && !rejection.contains("hunter2"), "{rejection}");
        }
    }

    #[test]
    fn several_webhook_secrets_may_be_given_while_one_is_rolled() {
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        let verdict = |webhook: &str| {
            let vector = &VECTORS[0];
            let keys = Keys::new(SK, PK, webhook).unwrap();
            keys.webhook.verify(vector.payload.as_bytes(), vector.header, now)
        };
        assert!(verdict(SECRET));
        assert!(verdict(&format!("{OTHER_SECRET},{SECRET}")));
        assert!(verdict(&format!("{SECRET} , {OTHER_SECRET}")));
        assert!(!verdict(&format!("{OTHER_SECRET},{OTHER_SECRET}")));
    }
}
