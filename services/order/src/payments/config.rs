//! What the process is told of payments.

use std::{fmt, time::Duration};

use anyhow::bail;
use reqwest::Url;

use super::Payments;
use crate::provider::{Stripe, StripeKeys};

const STRIPE_URL: &str = "https://api.stripe.com";
const PAYMENT_WINDOW: &str = "30m";
const LONGEST_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What the shop is told of payments. Without keys of Stripe's an admin marks orders paid.
#[derive(Clone, Debug, clap::Args)]
pub struct PaymentArgs {
    /// Secret key of a Stripe account, `sk_...`; with the next two, orders are paid by card
    #[arg(long, env = "STRIPE_SECRET_KEY", hide_env_values = true)]
    stripe_secret_key: Option<Key>,
    /// Its publishable key, `pk_...`
    #[arg(long, env = "STRIPE_PUBLISHABLE_KEY", hide_env_values = true)]
    stripe_publishable_key: Option<Key>,
    /// Secret of its webhook endpoint, `whsec_...`; both, with a comma, while it is rolled
    #[arg(long, env = "STRIPE_WEBHOOK_SECRET", hide_env_values = true)]
    stripe_webhook_secret: Option<Key>,
    /// Where Stripe's API answers
    #[arg(long, env = "BODEGA_STRIPE_URL", default_value = STRIPE_URL, value_parser = stripe_url)]
    stripe_url: Url,
    /// How long an order waits for its card payment, such as 30m, 1h or 1800 (seconds); `off`: for ever
    #[arg(long, env = "BODEGA_PAYMENT_WINDOW", default_value = PAYMENT_WINDOW, value_parser = window)]
    payment_window: Window,
}

/// A key, or a text in its place that may be one. Never shown, not even by `Debug`.
#[derive(Clone)]
struct Key(String);

impl Key {
    /// The key without blanks around it; `None` when nothing else is there.
    fn given(&self) -> Option<&str> {
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

/// How long an order waits; `None`: for ever. A type of its own, as an `Option` means something else to clap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window(Option<Duration>);

impl PaymentArgs {
    /// The ways to be paid that follow. Variables that are empty count as not given.
    ///
    /// # Errors
    /// When a part of Stripe's configuration is missing, or is not what it should be: names the variable, and never
    /// shows its value.
    pub fn payments(&self) -> anyhow::Result<Payments> {
        let variables = [
            ("STRIPE_SECRET_KEY", &self.stripe_secret_key),
            ("STRIPE_PUBLISHABLE_KEY", &self.stripe_publishable_key),
            ("STRIPE_WEBHOOK_SECRET", &self.stripe_webhook_secret),
        ];
        let names = variables.map(|(name, _)| name);
        let keys = variables.map(|(_, key)| key.as_ref().and_then(Key::given));
        let [Some(secret), Some(publishable), Some(webhook)] = keys else {
            let missing = names.into_iter().zip(keys).filter(|(_, key)| key.is_none());
            let missing: Vec<_> = missing.map(|(name, _)| name).collect();
            if missing.len() == names.len() {
                return Ok(Payments::offline());
            }
            let verb = if missing.len() == 1 { "is" } else { "are" };
            let (missing, all) = (missing.join(" and "), names.join(", "));
            bail!("{missing} {verb} missing: payments by card need all of {all}");
        };
        let keys = StripeKeys::new(secret, publishable, webhook)?;
        let stripe = Stripe::new(self.stripe_url.clone(), keys)?;
        Ok(Payments::stripe(stripe, self.payment_window.0))
    }
}

fn stripe_url(text: &str) -> Result<Url, String> {
    let text = if text.trim().is_empty() { STRIPE_URL } else { text.trim() };
    text.parse::<Url>()
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
        .ok_or_else(|| format!("use a URL such as {STRIPE_URL}"))
}

fn window(text: &str) -> Result<Window, String> {
    let text = if text.trim().is_empty() { PAYMENT_WINDOW } else { text.trim() };
    if text == "off" {
        return Ok(Window(None));
    }
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => 0,
    };
    let window = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    window
        .map(Duration::from_secs)
        .filter(|window| !window.is_zero() && *window <= LONGEST_WINDOW)
        .map(|window| Window(Some(window)))
        .ok_or_else(|| "use a time such as 30m, 1h or 1800 (seconds), at most 720h; or off".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::provider::BadEvent;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        payments: PaymentArgs,
    }

    const SK: &str = "sk_test_hunter2";
    const PK: &str = "pk_test_hunter2";
    const WHSEC: &str = "whsec_hunter2";

    fn configured(secret: &str, publishable: &str, webhook: &str) -> anyhow::Result<Payments> {
        at(STRIPE_URL, secret, publishable, webhook)
    }

    fn at(url: &str, secret: &str, publishable: &str, webhook: &str) -> anyhow::Result<Payments> {
        let arguments = [
            ["--stripe-url", url],
            ["--stripe-secret-key", secret],
            ["--stripe-publishable-key", publishable],
            ["--stripe-webhook-secret", webhook],
        ];
        let cli = Cli::try_parse_from(["test"].into_iter().chain(arguments.concat())).unwrap();
        cli.payments.payments()
    }

    /// What the start is refused with.
    fn rejection(secret: &str, publishable: &str, webhook: &str) -> String {
        let rejection = configured(secret, publishable, webhook).err().unwrap().to_string();
        assert!(!rejection.contains("hunter2"), "{rejection}");
        rejection
    }

    #[test]
    fn without_keys_money_changes_hands_elsewhere() {
        for empty in ["", " "] {
            let payments = configured(empty, empty, empty).unwrap();
            assert_eq!(payments.chosen().name(), "offline");
            assert_eq!(payments.names(), ["offline"]);
            assert_eq!(payments.window(), None);
            assert!(payments.by_name("stripe").is_none());
            assert!(payments.event("stripe", b"{}", "").is_none());
            assert!(payments.event("offline", b"{}", "").is_none());
        }
    }

    #[test]
    fn with_all_keys_it_is_stripe_and_offline_payments_go_on() {
        let two_secrets = "whsec_old, whsec_new";
        for (secret, publishable, webhook) in [
            (SK, PK, WHSEC),
            ("rk_test_1", "pk_test_1", two_secrets),
            ("sk_live_1", "pk_live_1", "whsec_1 whsec_2"),
            (" sk_test_1\n", " pk_test_1\n", " whsec_1\n"),
        ] {
            let payments = configured(secret, publishable, webhook).unwrap();
            assert_eq!(payments.chosen().name(), "stripe");
            assert_eq!(payments.chosen().publishable_key(), publishable.trim());
            assert_eq!(payments.names(), ["stripe", "offline"]);
            assert_eq!(payments.window(), Some(Duration::from_secs(1800)));
            assert!(payments.by_name("stripe").is_some() && payments.by_name("offline").is_some());
            assert_eq!(payments.event("stripe", b"{}", ""), Some(Err(BadEvent::Signature)));
            assert!(payments.event("offline", b"{}", "").is_none());
        }
    }

    #[test]
    fn half_a_configuration_is_refused_and_what_is_missing_named() {
        for (secret, publishable, webhook, missing) in [
            (SK, PK, "", "STRIPE_WEBHOOK_SECRET is missing"),
            (SK, "", WHSEC, "STRIPE_PUBLISHABLE_KEY is missing"),
            ("", PK, WHSEC, "STRIPE_SECRET_KEY is missing"),
            (SK, "", " ", "STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET are missing"),
            ("", PK, "", "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET are missing"),
        ] {
            let rejection = rejection(secret, publishable, webhook);
            assert!(rejection.starts_with(missing), "{rejection}");
        }
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_not_shown() {
        assert!(rejection(PK, SK, WHSEC).starts_with("STRIPE_SECRET_KEY is no secret key"));
        assert!(
            rejection("sk_test_hunter2\u{7f}", PK, WHSEC).starts_with("STRIPE_SECRET_KEY has characters")
        );
    }

    #[test]
    fn a_live_key_is_not_sent_in_the_open() {
        let url = "http://stripe.example:8420";
        assert!(at(url, SK, PK, WHSEC).is_ok());
        let rejection = at(url, "sk_live_1", "pk_live_1", WHSEC).err().unwrap().to_string();
        assert!(rejection.starts_with("BODEGA_STRIPE_URL"), "{rejection}");
    }

    #[test]
    fn keys_are_shown_nowhere() {
        let arguments = ["test", "--stripe-secret-key", SK, "--stripe-publishable-key", SK];
        let cli = Cli::parse_from(arguments.into_iter().chain(["--stripe-webhook-secret", WHSEC]));
        let debug = format!("{cli:?}");
        assert!(debug.contains("stripe_secret_key") && !debug.contains("hunter2"), "{debug}");
    }

    #[test]
    fn a_window_is_read_in_the_ways_people_write_it() {
        for (text, seconds) in [
            ("30m", Some(1800)),
            ("1800", Some(1800)),
            ("1800s", Some(1800)),
            ("1h", Some(3600)),
            ("720h", Some(2_592_000)),
            ("1", Some(1)),
            ("", Some(1800)),
            ("off", None),
        ] {
            assert_eq!(window(text), Ok(Window(seconds.map(Duration::from_secs))), "{text}");
        }
        for text in
            ["0", "0m", "-1", "1.5h", "30 m", "m", "1d", "OFF", "never", "721h", "99999999999999999999s", "é"]
        {
            assert!(window(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_an_api_is_refused() {
        for url in ["", "https://api.stripe.com", "http://127.0.0.1:8420", "https://proxy.example/stripe/"] {
            assert!(stripe_url(url).is_ok(), "{url}");
        }
        for url in
            ["api.stripe.com", "ftp://api.stripe.com", "mailto:a@example.com", "http://", "https://a/?b=c"]
        {
            assert!(stripe_url(url).is_err(), "{url}");
        }
    }
}
