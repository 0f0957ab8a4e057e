//! The gateway's configuration.

use std::{
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Duration,
};

use anyhow::Context as _;
use bodega_runtime::{config, money::Currency, product_cache, timeouts};
use clap::builder::RangedI64ValueParser;
use http::{HeaderValue, Uri};

use crate::{access_log::AccessLog, client_address::TrustedProxies};

/// [`timeouts::REQUEST`] in seconds.
const REQUEST_TIMEOUT: &str = "2";
const _: () = assert!(timeouts::REQUEST.as_millis() == 2_000);

/// Arguments of a gateway process.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// URL of the identity service
    #[arg(long, env = "BODEGA_IDENTITY_URL", default_value = "http://127.0.0.1:7001", value_parser = config::url)]
    pub identity_url: Uri,
    /// URL of the catalog service
    #[arg(long, env = "BODEGA_CATALOG_URL", default_value = "http://127.0.0.1:7002", value_parser = config::url)]
    pub catalog_url: Uri,
    /// URL of the cart service
    #[arg(long, env = "BODEGA_CART_URL", default_value = "http://127.0.0.1:7003", value_parser = config::url)]
    pub cart_url: Uri,
    /// URL of the order service
    #[arg(long, env = "BODEGA_ORDER_URL", default_value = "http://127.0.0.1:7004", value_parser = config::url)]
    pub order_url: Uri,
    /// Settings of the gateway
    #[command(flatten)]
    pub settings: Settings,
}

/// Settings of the gateway, in a process of its own or in the standalone program.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Currency of all prices, an ISO 4217 code; the same for gateway and catalog
    #[arg(long, env = "BODEGA_CURRENCY", default_value = "USD")]
    pub currency: Currency,
    /// Time limit of a request in seconds, after which it fails with status 503
    #[arg(long, env = "BODEGA_REQUEST_TIMEOUT", default_value = REQUEST_TIMEOUT, value_parser = seconds)]
    pub request_timeout: Duration,
    /// Concurrent reads of each service, and as many writes; further requests wait while they can finish in time, and fail
    /// with status 503 otherwise [default: 64 per core]
    #[arg(long, env = "BODEGA_MAX_REQUESTS", default_value_t = max_requests(), hide_default_value = true, value_parser = count())]
    pub max_requests: u32,
    /// Maximum number of open connections, limited to three quarters of the file descriptors
    #[arg(long, env = "BODEGA_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = count())]
    pub max_connections: u32,
    /// Addresses of the proxies in front of the gateway, whose `X-Forwarded-For` or `Forwarded` has the client's address:
    /// CIDR networks or addresses, separated by commas
    #[arg(long, env = "BODEGA_TRUSTED_PROXIES", default_value = "", hide_default_value = true)]
    pub trusted_proxies: TrustedProxies,
    /// Maximum size of a JSON body in bytes
    #[arg(long, env = "BODEGA_BODY_LIMIT", default_value_t = 256 * 1024, value_parser = bytes)]
    pub body_limit: usize,
    /// Memory for cached products in bytes, together with the cart's in one process
    #[arg(long, env = "BODEGA_CACHE_BYTES", default_value_t = product_cache::DEFAULT_BYTES)]
    pub cache_bytes: usize,
    /// Time limit of an upload in seconds
    #[arg(long, env = "BODEGA_UPLOAD_TIMEOUT", default_value = "60", value_parser = seconds)]
    pub upload_timeout: Duration,
    /// Maximum size of an upload in bytes, all of its files together
    #[arg(long, env = "BODEGA_UPLOAD_LIMIT", default_value_t = 32 * 1024 * 1024, value_parser = bytes)]
    pub upload_limit: usize,
    /// Directory of images in local storage, the same as the services' [default: .bodega/media]
    #[arg(long, env = "BODEGA_MEDIA_DIR")]
    pub media_dir: Option<PathBuf>,
    /// Origins whose pages may call the API, separated by commas; `*` for all
    #[arg(long, env = "BODEGA_CORS_ORIGINS", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// Requests that are logged
    #[arg(long, env = "BODEGA_ACCESS_LOG", value_enum, default_value = "errors")]
    pub access_log: AccessLog,
}

/// Returns the number of concurrent requests of a service, if all services share one machine. Many small writes are combined
/// into one statement only if they are concurrent. With a higher limit, requests would wait longer for a database connection
/// than for a permit. A service on a machine of its own can process more.
fn max_requests() -> u32 {
    per_core(64)
}

fn per_core(count: u32) -> u32 {
    let cores = available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(count)
}

impl Settings {
    /// Checks the directory of images. The services create it if it is missing.
    ///
    /// # Errors
    /// When it is no directory, or cannot be read.
    pub(crate) fn check_media_dir(&self) -> anyhow::Result<()> {
        let directory = self.media_dir();
        match fs::read_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(|| {
                format!("BODEGA_MEDIA_DIR: cannot read the image directory {}", directory.display())
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn media_dir(&self) -> &Path {
        self.media_dir.as_deref().unwrap_or(Path::new(".bodega/media"))
    }

    /// Maximum number of concurrent uploads: each may occupy a decoded image, and all of a core.
    pub(crate) fn max_uploads(&self) -> u32 {
        self.max_requests.min(per_core(8).max(16))
    }

    /// Time limit of a step without which a request may continue. Leaves time for the response.
    pub(crate) fn optional_step_timeout(&self) -> Duration {
        self.request_timeout / 2
    }

    /// Time limit for the next bytes of an upload, and time that it may be slower than the minimum rate.
    pub(crate) fn upload_stall_timeout(&self) -> Duration {
        self.upload_timeout / 6
    }
}

/// Accepts a limit of at least 1.
fn count() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1_000_000)
}

fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes @ 1..=1_073_741_824) => Ok(bytes),
        _ => Err("must be a number of bytes between 1 and 1073741824 (1 GiB)".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be a number of seconds between 1 and 600".to_owned()),
    }
}

/// Parses an origin as browsers send it. The empty origin, which no page has, is accepted: the variable may be empty.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let text = text.trim().to_ascii_lowercase();
    let is_origin = text.parse::<Uri>().is_ok_and(|uri| {
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        matches!((scheme, authority), (Some(scheme), Some(host)) if text == format!("{scheme}://{host}"))
    });
    if is_origin || text == "*" || text.is_empty() {
        HeaderValue::try_from(text).map_err(|error| error.to_string())
    } else {
        Err("must be an origin such as https://shop.example, or *".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn rejects_an_unknown_access_log() {
        let access_log = |text| Cli::try_parse_from(["gateway", "--access-log", text]);
        assert_eq!(access_log("off").unwrap().settings.access_log, AccessLog::Off);
        let error = access_log("none").unwrap_err().to_string();
        assert!(error.contains("--access-log") && error.contains("errors, all, off"), "{error}");
    }

    #[test]
    fn accepts_origins_as_browsers_send_them() {
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
