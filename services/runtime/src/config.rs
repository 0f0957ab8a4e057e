//! Configuration: flags, the environment and `.env`, in this order of precedence.

use std::{net::SocketAddr, process::ExitCode};

use clap::{Parser, error::ErrorKind};

use crate::auth::ServiceToken;

/// What every process of a distributed store is told, beside `S`, the service's own.
#[derive(Debug, Parser)]
pub struct Args<S: clap::Args> {
    /// Address to listen on
    #[arg(long, env = "BODEGA_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The secret that the store's processes share: at least 32 letters and digits
    #[arg(long, env = "BODEGA_SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: ServiceToken,
    /// Address for operators: `/metrics`
    #[arg(long, env = "BODEGA_ADMIN_HTTP")]
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
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", global = true)]
    pub otlp_endpoint: Option<http::Uri>,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For eyes.
    Text,
    /// One object a line.
    Json,
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
    let flags = text(ContextKind::InvalidArg);
    let names: Vec<_> = flags.split(", ").map(|flag| variable_of::<P>(flag)).collect();
    let names = names.join(", ");
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return format!("{names} is missing: set it in the environment or in .env");
    }
    let value = text(ContextKind::InvalidValue);
    let allowed = text(ContextKind::ValidValue);
    let reason = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    match (reason.is_empty(), allowed.is_empty()) {
        (false, _) => format!("{names} is {value:?}: {reason}"),
        (true, false) => format!("{names} is {value:?}: use one of {allowed}"),
        (true, true) => format!("{names} is {value:?}, which cannot be read"),
    }
}

/// `BODEGA_HTTP (or --http)` for `--http <HTTP>`.
fn variable_of<P: Parser>(flag: &str) -> String {
    let long = flag.split([' ', '=']).next().unwrap_or(flag);
    let command = P::command();
    let variable = std::iter::once(&command)
        .chain(command.get_subcommands())
        .flat_map(clap::Command::get_arguments)
        .find(|arg| arg.get_long().is_some_and(|name| long.strip_prefix("--") == Some(name)))
        .and_then(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned());
    match variable {
        Some(variable) => format!("{variable} (or {long})"),
        None => long.to_owned(),
    }
}
