//! Configuration from flags, environment variables and `.env`, in this order of precedence.
//!
//! An empty variable is not set. Every argument with `hide_env_values` is a secret: for `DB_PASSWORD`, the variable
//! `DB_PASSWORD_FILE` can name a file with the value instead.

use std::{ffi::OsString, net::SocketAddr, process::ExitCode, time::Duration};

use clap::{Parser, error::ErrorKind};
use http::Uri;

use crate::{auth::ServiceToken, tls::TlsArgs};

mod environment;
mod secret;

pub use self::{environment::warn_about_unknown_variables, secret::check_secret};

/// Explains secrets in files, for the help of every command.
pub const HELP_ON_SECRETS: &str = "\
A variable that is empty is not set. For each secret X (a password, token or key, and DATABASE_URL), the variable X_FILE can
name a file with the value instead.";

/// Arguments of a service that runs as a process of its own. `S` contains those that only this service has.
#[derive(Debug, Parser)]
#[command(version, about = "A service of bodega", long_about = None, after_help = HELP_ON_SECRETS)]
pub struct Args<S: clap::Args> {
    /// Address to listen on
    #[arg(long, env = "BODEGA_LISTEN", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Secret that all processes of an installation share: at least 32 visible ASCII characters, random
    #[arg(long, env = "BODEGA_SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,
    /// Service token that is accepted too, but not sent: the next or the previous one while it is replaced
    #[arg(long, env = "BODEGA_SECONDARY_SERVICE_TOKEN", hide_env_values = true)]
    pub secondary_service_token: Option<ServiceToken>,
    /// Address of `/metrics`, `/healthz` and `/readyz` for operators [default: none]
    #[arg(long, env = "BODEGA_ADMIN_HTTP", value_parser = address)]
    pub admin_http: Option<SocketAddr>,
    /// Shutdown
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
    /// TLS between processes
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Logging and tracing
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// Arguments of the service
    #[command(flatten)]
    pub service: S,
}

/// Arguments for the shutdown.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ShutdownArgs {
    /// Seconds between SIGTERM, when the process is no longer ready, and the end of accepting connections
    #[arg(long, env = "BODEGA_DRAIN_DELAY", default_value = "0", value_parser = drain_delay)]
    pub drain_delay: Duration,
}

fn drain_delay(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 0..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err("must be a number of seconds between 0 and 600".to_owned()),
    }
}

/// Arguments for logging and tracing.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryArgs {
    /// Log filter, as in `RUST_LOG`: `info`, `bodega_order=debug,info`
    #[arg(long, env = "BODEGA_LOG", default_value = "info,sqlx=warn,async_nats=off", global = true)]
    pub log: String,
    /// Log format
    #[arg(long, env = "BODEGA_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// OpenTelemetry collector for traces, over gRPC, such as `http://localhost:4317` [default: traces are not exported]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", global = true, value_parser = url)]
    pub otlp_endpoint: Option<Uri>,
}

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text, one line per event.
    Text,
    /// JSON, one object per line.
    Json,
}

/// Parses an address to listen on.
///
/// # Errors
/// When it is not an IP address and a port.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "use an address and a port such as 127.0.0.1:8080".to_owned())
}

/// Parses the URL of another process.
///
/// # Errors
/// When it is not an `http` or `https` URL with a host.
pub fn url(text: &str) -> Result<Uri, String> {
    text.parse::<Uri>()
        .ok()
        .filter(|uri| uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https")))
        .ok_or_else(|| "use a URL such as http://127.0.0.1:7001".to_owned())
}

/// Reads `.env` and the files of secrets, and parses flags and environment variables into `P`. Must be called before any
/// thread is started, because it changes the environment of the process.
///
/// # Errors
/// The exit code, after the help, the version or an error was printed. The error is one line that names the environment
/// variable of a missing or invalid value, and does not show a secret. The errors of clap itself name only the flag, and
/// show the value.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    parse_from(std::env::args_os())
}

/// Like [`parse`], with the name of the program and its flags from `arguments`.
///
/// # Errors
/// As [`parse`].
pub fn parse_from<P: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<P, ExitCode> {
    if let Err(error) = environment::prepare(&P::command()) {
        eprintln!("error: {error}");
        return Err(ExitCode::from(2));
    }
    P::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::MissingRequiredArgument => {
            eprintln!("error: {}", describe::<P>(&error));
            ExitCode::from(2)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()) * 2)
        }
    })
}

/// Returns one line that names the variable, its value and the accepted values.
fn describe<P: Parser>(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let command = P::command();
    let flags = text(ContextKind::InvalidArg);
    let args: Vec<_> = flags.split(", ").map(|flag| (flag, argument(&command, flag))).collect();
    let is_secret = args.iter().any(|(_, arg)| arg.is_some_and(clap::Arg::is_hide_env_values_set));
    let names: Vec<_> = args.iter().map(|(flag, arg)| name(flag, *arg)).collect();
    let names = names.join(", ");
    if error.kind() == ErrorKind::MissingRequiredArgument {
        let has_variable = args.iter().any(|(_, arg)| arg.is_some_and(|arg| arg.get_env().is_some()));
        let hint = if has_variable { "set it in the environment or in .env" } else { "a value is required" };
        return format!("{names} is missing: {hint}");
    }
    let value = if is_secret { "…".to_owned() } else { text(ContextKind::InvalidValue) };
    let allowed = text(ContextKind::ValidValue);
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let reason = reason.replace("invalid digit found in string", "must be a whole number");
    match (reason.is_empty(), allowed.is_empty()) {
        (false, _) => format!("{names} is {value:?}: {reason}"),
        (true, false) => format!("{names} is {value:?}: use one of {allowed}"),
        (true, true) => format!("{names} is {value:?}, which is invalid"),
    }
}

/// Finds the argument for `--http <HTTP>` in the command or one of its subcommands.
fn argument<'a>(command: &'a clap::Command, flag: &str) -> Option<&'a clap::Arg> {
    let long = long(flag).strip_prefix("--")?;
    let has_name = |arg: &&clap::Arg| arg.get_long() == Some(long);
    command
        .get_arguments()
        .find(has_name)
        .or_else(|| command.get_subcommands().find_map(|subcommand| argument(subcommand, flag)))
}

/// Returns `BODEGA_HTTP (or --http)` for `--http <HTTP>`.
fn name(flag: &str, arg: Option<&clap::Arg>) -> String {
    let flag = long(flag);
    match arg.and_then(clap::Arg::get_env) {
        Some(variable) => format!("{} (or {flag})", variable.to_string_lossy()),
        None => flag.to_owned(),
    }
}

fn long(flag: &str) -> &str {
    flag.split([' ', '=', '[']).next().unwrap_or(flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Args)]
    struct ServiceArgs {
        /// A required argument
        #[arg(long, env = "TEST_SIZE")]
        size: u8,
    }

    /// Returns the error for these arguments.
    fn error_for(arguments: &[&str]) -> String {
        let token = "7d0fKq2vXwLr5sTz8bYh3mNc6pGj9aEu";
        let arguments = [&["test", "--service-token", token], arguments].concat();
        describe::<Args<ServiceArgs>>(&Args::<ServiceArgs>::try_parse_from(arguments).unwrap_err())
    }

    #[test]
    fn names_the_variable_of_an_invalid_value_and_the_accepted_values() {
        assert_eq!(
            error_for(&["--size", "1", "--listen", "here"]),
            r#"BODEGA_LISTEN (or --listen) is "here": use an address and a port such as 127.0.0.1:8080"#
        );
        assert_eq!(
            error_for(&["--size", "1", "--otlp-endpoint", "collector:4317"]),
            r#"OTEL_EXPORTER_OTLP_ENDPOINT (or --otlp-endpoint) is "collector:4317": use a URL such as http://127.0.0.1:7001"#
        );
        assert_eq!(
            error_for(&["--size", "1", "--log-format", "xml"]),
            r#"BODEGA_LOG_FORMAT (or --log-format) is "xml": use one of text, json"#
        );
    }

    #[test]
    fn does_not_show_a_secret() {
        let arguments = ["test", "--size", "1", "--service-token", "hunter2"];
        let line =
            describe::<Args<ServiceArgs>>(&Args::<ServiceArgs>::try_parse_from(arguments).unwrap_err());
        assert!(line.starts_with("BODEGA_SERVICE_TOKEN") && !line.contains("hunter2"), "{line}");
    }

    #[test]
    fn names_the_variable_of_a_missing_value() {
        assert_eq!(error_for(&[]), "TEST_SIZE (or --size) is missing: set it in the environment or in .env");
    }
}
