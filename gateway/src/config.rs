//! What the gateway is told.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Duration,
};

use bodega_runtime::{config, money::Currency, timeouts};
use clap::builder::RangedI64ValueParser;
use http::{HeaderValue, Uri};

/// [`timeouts::REQUEST`] in seconds.
const REQUEST_TIMEOUT: &str = "2";
const _: () = assert!(timeouts::REQUEST.as_millis() == 2_000);

/// What a gateway process is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// Where identity is
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001", value_parser = config::url)]
    pub identity_url: Uri,
    /// Where catalog is
    #[arg(long, env = "BODEGA_CATALOG_URL", default_value = "http://127.0.0.1:7002", value_parser = config::url)]
    pub catalog_url: Uri,
    /// Where cart is
    #[arg(long, env = "BODEGA_CART_URL", default_value = "http://127.0.0.1:7003", value_parser = config::url)]
    pub cart_url: Uri,
    /// Where order is
    #[arg(long, env = "BODEGA_ORDER_URL", default_value = "http://127.0.0.1:7004", value_parser = config::url)]
    pub order_url: Uri,
    /// The gateway's own
    #[command(flatten)]
    pub settings: Settings,
}

/// What a gateway is told wherever it runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Currency of the shop, a code of ISO 4217; the same for gateway and catalog
    #[arg(long, env = "BODEGA_CURRENCY", default_value = "USD")]
    pub currency: Currency,
    /// Seconds after which a client has its answer, or is told to come back
    #[arg(long, env = "BODEGA_REQUEST_TIMEOUT", default_value = REQUEST_TIMEOUT, value_parser = seconds)]
    pub request_timeout: Duration,
    /// Reads of each service that are worked on at once, and as many writes; those beyond are told to come back
    /// [default: 8 for each core, at least 16]
    #[arg(long, env = "BODEGA_MAX_REQUESTS", default_value_t = max_requests(), hide_default_value = true, value_parser = count())]
    pub max_requests: u32,
    /// Connections that are open at once, if the process may have so many
    #[arg(long, env = "BODEGA_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = count())]
    pub max_connections: u32,
    /// Bytes that a JSON body may have
    #[arg(long, env = "BODEGA_BODY_LIMIT", default_value_t = 256 * 1024)]
    pub body_limit: usize,
    /// Seconds after which nobody waits for an upload any more
    #[arg(long, env = "BODEGA_UPLOAD_TIMEOUT", default_value = "60", value_parser = seconds)]
    pub upload_timeout: Duration,
    /// Seconds from SIGTERM, when `/readyz` says so, to the end of accepting connections
    #[arg(long, env = "BODEGA_DRAIN_DELAY", default_value = "0", value_parser = seconds_or_none)]
    pub drain_delay: Duration,
    /// Bytes that an upload may have, all of its files together
    #[arg(long, env = "BODEGA_UPLOAD_LIMIT", default_value_t = 32 * 1024 * 1024)]
    pub upload_limit: usize,
    /// Directory of the pictures, where they are in no other storage: the services' [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
    /// Origins whose pages may call the API, separated by commas; `*` for all
    #[arg(long, env = "BODEGA_CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
}

/// What the services of one machine can work on at once, with room for a process that stands still for half a second, as
/// while it is replaced: fewer would send away what could wait. More would be late under overload, and take the cores from
/// what could be in time. Services that have machines of their own can take more.
fn max_requests() -> u32 {
    let cores = available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(8).max(16)
}

impl Settings {
    /// The directory of the pictures.
    pub(crate) fn media_dir(&self) -> &Path {
        self.media_dir.as_deref().unwrap_or(Path::new(".bodega/media"))
    }

    /// How long a request waits for what it can do without: a part of its time, so that the rest is left for the answer.
    pub(crate) fn patience(&self) -> Duration {
        self.request_timeout / 2
    }

    /// How long an upload may stand still.
    pub(crate) fn upload_patience(&self) -> Duration {
        self.upload_timeout / 6
    }
}

/// How many there may be of something.
fn count() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000_000)
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 0..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err("use a number of seconds from 0 to 600".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err("use a number of seconds from 1 to 600".to_owned()),
    }
}

/// As browsers write it. Nothing at all is an origin that no page has: the variable may be there and empty.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim().to_ascii_lowercase();
    let is_origin = text.parse::<Uri>().is_ok_and(|uri| {
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        matches!((scheme, authority), (Some(scheme), Some(host)) if text == format!("{scheme}://{host}"))
    });
    if is_origin || text == "*" || text.is_empty() {
        HeaderValue::try_from(text).map_err(|cause| cause.to_string())
    } else {
        Err("use origins such as https://shop.example, or *".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for (text, origin_as_sent) in [
            ("https://shop.example", "https://shop.example"),
            (" HTTPS://Shop.Example", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(origin(text).unwrap(), origin_as_sent);
        }
        for text in [
            "shop.example",
            "https://shop.example/",
            "https://shop.example/a",
            "ftp://a",
            "https://",
            "\u{e9}",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
