//! Flags and environment variables of payments.

use std::{sync::Arc, time::Duration};

use super::{
    provider::{Provider, stripe::StripeArgs},
    providers::PaymentProviders,
};

const DEFAULT_PAYMENT_WINDOW: &str = "30m";
const DEFAULT_OFFLINE_WINDOW: &str = "72h";
const MAX_WINDOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Payments. Without an online provider, an admin marks orders paid.
#[derive(Clone, Debug, clap::Args)]
pub struct PaymentArgs {
    /// Stripe
    #[command(flatten)]
    stripe: StripeArgs,
    /// Time within which an order must be paid or confirmed if cards are accepted, such as 30m, 1h or 1800 (seconds); `off`
    /// for no limit
    #[arg(long, env = "BODEGA_PAYMENT_WINDOW", default_value = DEFAULT_PAYMENT_WINDOW, value_parser = payment_window)]
    payment_window: Window,
    /// The same if cards are not accepted, and for orders with a total of zero
    #[arg(long, env = "BODEGA_OFFLINE_WINDOW", default_value = DEFAULT_OFFLINE_WINDOW, value_parser = offline_window)]
    offline_window: Window,
}

/// `None` for no limit. A separate type, because clap treats an `Option` as an optional flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window(Option<Duration>);

impl PaymentArgs {
    /// Returns the configured providers: one online provider at most, and offline payments.
    ///
    /// # Errors
    /// If a part of a provider's configuration is missing or invalid. The error names the variable and never shows its value.
    pub fn providers(&self) -> anyhow::Result<PaymentProviders> {
        // A new provider is one more line: `.or(self.other.provider()?.map(..))`.
        let online = self.stripe.provider()?.map(|stripe| Arc::new(stripe) as Arc<dyn Provider>);
        Ok(match online {
            Some(provider) => {
                PaymentProviders::online(provider, self.payment_window.0, self.offline_window.0)
            }
            None => PaymentProviders::offline_within(self.offline_window.0),
        })
    }
}

fn payment_window(text: &str) -> Result<Window, String> {
    window(text, DEFAULT_PAYMENT_WINDOW)
}

fn offline_window(text: &str) -> Result<Window, String> {
    window(text, DEFAULT_OFFLINE_WINDOW)
}

fn window(text: &str, default: &str) -> Result<Window, String> {
    let text = if text.trim().is_empty() { default } else { text.trim() };
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
        .filter(|window| !window.is_zero() && *window <= MAX_WINDOW)
        .map(|window| Window(Some(window)))
        .ok_or_else(|| "use a duration such as 30m, 1h or 1800 (seconds), at most 720h, or off".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::payments::provider::InvalidEvent;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        payments: PaymentArgs,
    }

    const SK: &str = "sk_test_hunter2";
    const PK: &str = "pk_test_hunter2";
    const WHSEC: &str = "whsec_hunter2";

    fn providers(secret: &str, publishable: &str, webhook: &str) -> anyhow::Result<PaymentProviders> {
        providers_at("https://api.stripe.com", secret, publishable, webhook)
    }

    fn providers_at(
        url: &str,
        secret: &str,
        publishable: &str,
        webhook: &str,
    ) -> anyhow::Result<PaymentProviders> {
        let arguments = [
            ["--stripe-url", url],
            ["--stripe-secret-key", secret],
            ["--stripe-publishable-key", publishable],
            ["--stripe-webhook-secret", webhook],
        ];
        let cli = Cli::try_parse_from(["test"].into_iter().chain(arguments.concat())).unwrap();
        cli.payments.providers()
    }

    fn error(secret: &str, publishable: &str, webhook: &str) -> String {
        let error = providers(secret, publishable, webhook).err().unwrap().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        error
    }

    #[test]
    fn without_keys_payments_are_offline() {
        for empty in ["", " "] {
            let providers = providers(empty, empty, empty).unwrap();
            assert_eq!(providers.default().name(), "offline");
            assert_eq!(providers.names(), ["offline"]);
            assert_eq!(providers.order_window(1), Some(Duration::from_secs(72 * 60 * 60)));
            assert!(providers.by_name("stripe").is_none());
            assert!(providers.by_name("").is_none());
            assert!(providers.by_name("offline").unwrap().parse_webhook(b"{}", "").is_none());
        }
    }

    #[test]
    fn with_all_keys_new_payments_use_stripe_and_offline_ones_continue() {
        let two_secrets = "whsec_old, whsec_new";
        for (secret, publishable, webhook) in [
            (SK, PK, WHSEC),
            ("rk_test_1", "pk_test_1", two_secrets),
            ("sk_live_1", "pk_live_1", "whsec_1 whsec_2"),
            (" sk_test_1\n", " pk_test_1\n", " whsec_1\n"),
        ] {
            let providers = providers(secret, publishable, webhook).unwrap();
            assert_eq!(providers.default().name(), "stripe");
            assert_eq!(providers.default().publishable_key(), publishable.trim());
            assert_eq!(providers.names(), ["stripe", "offline"]);
            assert_eq!(providers.order_window(1), Some(Duration::from_secs(1800)));
            assert_eq!(
                providers.order_window(0),
                Some(Duration::from_secs(72 * 3600)),
                "it waits for the merchant"
            );
            let (stripe, offline) = (providers.by_name("stripe"), providers.by_name("offline"));
            assert!(stripe.is_some() && offline.is_some());
            assert_eq!(stripe.unwrap().parse_webhook(b"{}", ""), Some(Err(InvalidEvent::Signature)));
            assert!(offline.unwrap().parse_webhook(b"{}", "").is_none());
        }
    }

    #[test]
    fn an_incomplete_configuration_is_rejected_and_names_the_missing_variables() {
        for (secret, publishable, webhook, missing) in [
            (SK, PK, "", "STRIPE_WEBHOOK_SECRET is missing"),
            (SK, "", WHSEC, "STRIPE_PUBLISHABLE_KEY is missing"),
            ("", PK, WHSEC, "STRIPE_SECRET_KEY is missing"),
            (SK, "", " ", "STRIPE_PUBLISHABLE_KEY and STRIPE_WEBHOOK_SECRET are missing"),
            ("", PK, "", "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET are missing"),
        ] {
            let error = error(secret, publishable, webhook);
            assert!(error.starts_with(missing), "{error}");
        }
    }

    #[test]
    fn invalid_keys_are_rejected_and_not_shown() {
        assert!(error(PK, SK, WHSEC).starts_with("STRIPE_SECRET_KEY is not a secret key"));
        assert!(error("sk_test_hunter2\u{7f}", PK, WHSEC).starts_with("STRIPE_SECRET_KEY has characters"));
    }

    #[test]
    fn live_keys_require_https() {
        let url = "http://stripe.example:8420";
        assert!(providers_at(url, SK, PK, WHSEC).is_ok());
        let error = providers_at(url, "sk_live_1", "pk_live_1", WHSEC).err().unwrap().to_string();
        assert!(error.starts_with("BODEGA_STRIPE_URL"), "{error}");
    }

    #[test]
    fn debug_output_contains_no_keys() {
        let arguments = ["test", "--stripe-secret-key", SK, "--stripe-publishable-key", SK];
        let cli = Cli::parse_from(arguments.into_iter().chain(["--stripe-webhook-secret", WHSEC]));
        let debug = format!("{cli:?}");
        assert!(debug.contains("secret_key") && !debug.contains("hunter2"), "{debug}");
    }

    #[test]
    fn payment_windows_are_parsed() {
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
            assert_eq!(payment_window(text), Ok(Window(seconds.map(Duration::from_secs))), "{text}");
        }
        assert_eq!(offline_window(""), Ok(Window(Some(Duration::from_secs(72 * 3600)))));
        assert_eq!(offline_window("off"), Ok(Window(None)));
        for text in
            ["0", "0m", "-1", "1.5h", "30 m", "m", "1d", "OFF", "never", "721h", "99999999999999999999s", "é"]
        {
            assert!(payment_window(text).is_err(), "{text}");
            assert!(offline_window(text).is_err(), "{text}");
        }
    }
}
