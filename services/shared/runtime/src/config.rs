//! Configuration: flags, the environment and `.env`, in this order of precedence.

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, error::ErrorKind};
use http::Uri;

use crate::auth::ServiceToken;

/// What every process of a distributed store is told, beside `S`, the service's own.
#[derive(Debug, Parser)]
#[command(version, about = "A process of a Bodega store", long_about = None)]
pub struct Args<S: clap::Args> {
    /// Address to listen on
    #[arg(long, env = "BODEGA_LISTEN", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// The secret that the store's processes share: at least 32 letters and digits
    #[arg(long, env = "BODEGA_SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,
    /// Address for operators: `/metrics`
    #[arg(long, env = "BODEGA_ADMIN_HTTP", value_parser = address)]
    pub admin_http: Option<SocketAddr>,
    /// Logs and traces
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
    /// The service's own
    #[command(flatten)]
    pub service: S,
}

/// How a process tells what it does.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryArgs {
    /// What to log, as tracing filters: `info`, `bodega_order=debug,info`
    #[arg(long, env = "BODEGA_LOG", default_value = "info,sqlx=warn", global = true)]
    pub log: String,
    /// Shape of a log line
    #[arg(long, env = "BODEGA_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// Collector for traces, over gRPC, such as `http://localhost:4317`; none: traces stay here
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", global = true, value_parser = url)]
    pub otlp_endpoint: Option<Uri>,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One object a line.
    Json,
}

/// Reads an address to listen on.
///
/// # Errors
/// How to write one.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "use an address and a port such as 127.0.0.1:8080".to_owned())
}

/// Reads where something else listens.
///
/// # Errors
/// How to write it.
pub fn url(text: &str) -> Result<Uri, String> {
    text.parse::<Uri>()
        .ok()
        .filter(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some())
        .ok_or_else(|| "use a URL such as http://127.0.0.1:7001".to_owned())
}

/// Reads `.env`, then flags and environment into `P`.
///
/// # Errors
/// The code to exit with, after help, version or one line about what is wrong was printed: a value that is missing
/// or bad is named as the variable it is read from.
pub fn parse<P: Parser>() -> Result<P, ExitCode> {
    if let Err(cause) = dotenvy::dotenv()
        && !cause.not_found()
    {
        eprintln!("error: .env cannot be read: {cause}");
        return Err(ExitCode::from(2));
    }
    P::try_parse().map_err(|error| match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue | ErrorKind::MissingRequiredArgument => {
            eprintln!("error: {}", explain::<P>(&error));
            ExitCode::from(2)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(u8::from(error.use_stderr()) * 2)
        }
    })
}

/// One line that names the variable, the value and the mend.
fn explain<P: Parser>(error: &clap::Error) -> String {
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
        let mend = if has_variable { "set it in the environment or in .env" } else { "give it" };
        return format!("{names} is missing: {mend}");
    }
    let value = if is_secret { "…".to_owned() } else { text(ContextKind::InvalidValue) };
    let allowed = text(ContextKind::ValidValue);
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    match (reason.is_empty(), allowed.is_empty()) {
        (false, _) => format!("{names} is {value:?}: {reason}"),
        (true, false) => format!("{names} is {value:?}: use one of {allowed}"),
        (true, true) => format!("{names} is {value:?}, which cannot be read"),
    }
}

/// The argument behind `--http <HTTP>`, of the command or one of its subcommands.
fn argument<'a>(command: &'a clap::Command, flag: &str) -> Option<&'a clap::Arg> {
    let long = long(flag).strip_prefix("--")?;
    let is_meant = |arg: &&clap::Arg| arg.get_long() == Some(long);
    command
        .get_arguments()
        .find(is_meant)
        .or_else(|| command.get_subcommands().find_map(|subcommand| argument(subcommand, flag)))
}

/// `BODEGA_HTTP (or --http)` for `--http <HTTP>`.
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
    struct Own {
        /// A required one
        #[arg(long, env = "TEST_SHELF")]
        shelf: u8,
    }

    /// The line that a process started with these arguments stops with.
    fn line(arguments: &[&str]) -> String {
        let token = "x".repeat(32);
        let arguments = [&["test", "--service-token", &token], arguments].concat();
        explain::<Args<Own>>(&Args::<Own>::try_parse_from(arguments).unwrap_err())
    }

    #[test]
    fn a_bad_value_is_named_with_its_variable_and_the_mend() {
        assert_eq!(
            line(&["--shelf", "1", "--listen", "here"]),
            r#"BODEGA_LISTEN (or --listen) is "here": use an address and a port such as 127.0.0.1:8080"#
        );
        assert_eq!(
            line(&["--shelf", "1", "--otlp-endpoint", "collector:4317"]),
            r#"OTEL_EXPORTER_OTLP_ENDPOINT (or --otlp-endpoint) is "collector:4317": use a URL such as http://127.0.0.1:7001"#
        );
        assert_eq!(
            line(&["--shelf", "1", "--log-format", "xml"]),
            r#"BODEGA_LOG_FORMAT (or --log-format) is "xml": use one of text, json"#
        );
    }

    #[test]
    fn a_secret_is_named_and_not_shown() {
        let arguments = ["test", "--shelf", "1", "--service-token", "hunter2"];
        let line = explain::<Args<Own>>(&Args::<Own>::try_parse_from(arguments).unwrap_err());
        assert!(line.starts_with("BODEGA_SERVICE_TOKEN") && !line.contains("hunter2"), "{line}");
    }

    #[test]
    fn a_missing_value_is_named_with_its_variable() {
        assert_eq!(line(&[]), "TEST_SHELF (or --shelf) is missing: set it in the environment or in .env");
    }
}
