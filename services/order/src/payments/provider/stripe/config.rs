//! Flags, environment variables and keys of Stripe.

use std::fmt;

use anyhow::{bail, ensure};
use reqwest::Url;

use super::{Stripe, signature::Secrets};

const DEFAULT_URL: &str = "https://api.stripe.com";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct StripeArgs {
    /// Secret key of a Stripe account, `sk_...`; with the next two, orders are paid by card
    #[arg(long = "stripe-secret-key", env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    secret_key: Option<Key>,
    /// Publishable key of the account, `pk_...`
    #[arg(long = "stripe-publishable-key", env = "STRIPE_PUBLISHABLE_KEY", hide_env_values = true)]
    publishable_key: Option<Key>,
    /// Secret of the webhook endpoint, `whsec_...`; while it is being rolled, both secrets, separated by a comma
    #[arg(long = "stripe-webhook-secret", env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    webhook_secret: Option<Key>,
    /// URL of Stripe's API
    #[arg(long = "stripe-url", env = "BODEGA_STRIPE_URL", default_value = DEFAULT_URL, value_parser = url)]
    url: Url,
}

/// A key that is never shown, not even by `Debug`.
#[derive(Clone)]
struct Key(String);

impl Key {
    /// Returns the key without whitespace around it, or `None` if it is empty.
    fn non_empty(&self) -> Option<&str> {
        Some(self.0.trim()).filter(|key| !key.is_empty())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl StripeArgs {
    /// Returns the configured account, or `None` if all keys are missing. Empty variables count as missing.
    ///
    /// # Errors
    /// If some keys are missing, or one is invalid. The error names the variable and never shows its value.
    pub(crate) fn provider(&self) -> anyhow::Result<Option<Stripe>> {
        let variables = [
            ("STRIPE_SECRET_KEY", &self.secret_key),
            ("STRIPE_PUBLISHABLE_KEY", &self.publishable_key),
            ("STRIPE_WEBHOOK_SECRET", &self.webhook_secret),
        ];
        let names = variables.map(|(name, _)| name);
        let keys = variables.map(|(_, key)| key.as_ref().and_then(Key::non_empty));
        let [Some(secret), Some(publishable), Some(webhook)] = keys else {
            let missing = names.into_iter().zip(keys).filter(|(_, key)| key.is_none());
            let missing: Vec<_> = missing.map(|(name, _)| name).collect();
            if missing.len() == names.len() {
                return Ok(None);
            }
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let (missing, all) = (missing.join(" and "), names.join(", "));
            bail!("{missing} {verb} missing: card payments require all of {all}");
        };
        let keys = Keys::new(secret, publishable, webhook)?;
        Stripe::new(self.url.clone(), keys).map(Some)
    }
}

fn url(text: &str) -> Result<Url, String> {
    let text = if text.trim().is_empty() { DEFAULT_URL } else { text.trim() };
    text.parse::<Url>()
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
        .ok_or_else(|| format!("use a URL such as {DEFAULT_URL}"))
}

/// The keys of an account. Without `Debug`: most of them are secret.
pub(crate) struct Keys {
    pub(super) secret: String,
    pub(super) publishable: String,
    pub(super) webhook: Secrets,
    /// Whether real money moves.
    pub(super) livemode: bool,
}

impl Keys {
    /// Checks the keys as Stripe's dashboard shows them. While the webhook secret is being rolled, there may be several
    /// secrets, separated by commas or spaces.
    ///
    /// # Errors
    /// If a key is of another kind, or the keys do not belong together. The error names the variable and does not show its
    /// value.
    pub(crate) fn new(secret: &str, publishable: &str, webhook: &str) -> anyhow::Result<Self> {
        let has_prefix = |key: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| key.starts_with(prefix));
        ensure!(
            has_prefix(secret, &["sk_", "rk_"]),
            "STRIPE_SECRET_KEY is not a secret key of Stripe: it must start with sk_ or rk_"
        );
        ensure!(
            publishable.starts_with("pk_"),
            "STRIPE_PUBLISHABLE_KEY is not a publishable key of Stripe: it must start with pk_"
        );
        let secrets: Vec<_> = webhook.split([',', ' ']).filter(|secret| !secret.is_empty()).collect();
        ensure!(
            !secrets.is_empty() && secrets.iter().all(|secret| secret.starts_with("whsec_")),
            "STRIPE_WEBHOOK_SECRET is not a webhook secret of Stripe: it must start with whsec_"
        );
        let livemode = has_prefix(secret, &["sk_live_", "rk_live_"]);
        ensure!(
            livemode == publishable.starts_with("pk_live_"),
            "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY do not match: one is for live mode, one for test mode"
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
    use crate::payments::provider::stripe::vectors::{NOW, OTHER_SECRET, SECRET, VECTORS};

    const SK: &str = "sk_test_hunter2";
    const PK: &str = "pk_test_hunter2";

    #[test]
    fn the_keys_determine_the_mode() {
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
    fn rejects_keys_of_another_kind() {
        for (secret, publishable, webhook, start) in [
            (PK, SK, SECRET, "STRIPE_SECRET_KEY is not"),
            (SECRET, PK, SK, "STRIPE_SECRET_KEY is not"),
            (SK, SK, SECRET, "STRIPE_PUBLISHABLE_KEY is not"),
            (SK, PK, SK, "STRIPE_WEBHOOK_SECRET is not"),
            (SK, PK, "whsec_1,hunter2", "STRIPE_WEBHOOK_SECRET is not"),
            (SK, PK, " , ", "STRIPE_WEBHOOK_SECRET is not"),
            (SK, "pk_live_1", SECRET, "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY do not match"),
            ("rk_live_1", PK, SECRET, "STRIPE_SECRET_KEY and STRIPE_PUBLISHABLE_KEY do not match"),
        ] {
            let error = Keys::new(secret, publishable, webhook).err().unwrap().to_string();
            assert!(error.starts_with(start) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn accepts_several_webhook_secrets() {
        let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
        let is_valid = |webhook: &str| {
            let vector = &VECTORS[0];
            let keys = Keys::new(SK, PK, webhook).unwrap();
            keys.webhook.verify(vector.payload.as_bytes(), vector.header, now)
        };
        assert!(is_valid(SECRET));
        assert!(is_valid(&format!("{OTHER_SECRET},{SECRET}")));
        assert!(is_valid(&format!("{SECRET} , {OTHER_SECRET}")));
        assert!(!is_valid(&format!("{OTHER_SECRET},{OTHER_SECRET}")));
    }

    #[test]
    fn rejects_invalid_urls() {
        for valid in ["", "https://api.stripe.com", "http://127.0.0.1:8420", "https://proxy.example/stripe/"]
        {
            assert!(url(valid).is_ok(), "{valid}");
        }
        for invalid in
            ["api.stripe.com", "ftp://api.stripe.com", "mailto:a@example.com", "http://", "https://a/?b=c"]
        {
            assert!(url(invalid).is_err(), "{invalid}");
        }
    }
}
