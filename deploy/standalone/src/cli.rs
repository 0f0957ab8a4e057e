//! The command line.

use std::{
    io::{self, ErrorKind, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use bodega_gateway::Settings;
use bodega_media::{Media, MediaArgs};
use bodega_order::PaymentArgs;
use bodega_runtime::{
    config::{self, TelemetryArgs},
    database::DatabaseArgs,
    process, telemetry,
};
use clap::{ArgAction, Parser, Subcommand};
use sqlx::postgres::PgConnectOptions;

use crate::{
    admin,
    database::Database,
    secrets::Secrets,
    seed, up,
    verify::{self, Report, repair::Repaired},
};

const EXAMPLES: &str = "\
Every option can also be set by the variable in its help, in the environment or in a file `.env`. In the embedded
database, each service has a role that can access its own schema only; a given database is migrated and used with the
given role.

Examples:
  bodega                                  run the store with an embedded database
  bodega --http 0.0.0.0:80 --demo=false   listen on all interfaces, without demo products
  bodega admin create --email ada@example.com --name Ada
  bodega seed --products 100000           generate many products
  bodega verify                           check the data
  bodega verify --repair                  repair what is safe to repair, then check the data";

/// An e-commerce backend: users, catalog, carts and orders behind one REST API, in one process
#[derive(Parser)]
#[command(
    name = "bodega",
    version,
    after_help = EXAMPLES,
    // The short form: the long help is four screens.
    disable_help_flag = true,
    // `bodega --data-dir x verify` and `bodega verify --data-dir x` are the same.
    mut_args = |arg| arg.global(true),
    mut_arg(
        "media_dir",
        |arg| arg.help_heading("Images").help("Directory of the images [default: media in the data directory]")
    )
)]
struct Cli {
    /// Print help
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten, next_help_heading = "Serving")]
    up: up::Args,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten, next_help_heading = "Logs and traces")]
    telemetry: TelemetryArgs,
}

/// Options of every command.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// Directory of the embedded database, secrets and images
    #[arg(long, env = "BODEGA_DATA_DIR", default_value = ".bodega", help_heading = "Data")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten, next_help_heading = "Database [default: embedded, in the data directory]")]
    pub(crate) database: DatabaseArgs,
    /// Encrypts the keys that sign access tokens, at least 32 bytes [default: generated, in the data directory]
    #[arg(long, env = "JWT_SECRET_KEY", hide_env_values = true, help_heading = "Data")]
    jwt_secret_key: Option<bodega_identity::SecretKey>,
    #[command(flatten, next_help_heading = "Payments")]
    pub(crate) payments: PaymentArgs,
    #[command(flatten, next_help_heading = "Images")]
    media: MediaArgs,
    #[command(flatten, next_help_heading = "API")]
    tokens: bodega_identity::TokenArgs,
    #[command(flatten, next_help_heading = "API")]
    pub(crate) gateway: Settings,
}

impl StoreArgs {
    /// Returns the settings of the identity service.
    ///
    /// # Errors
    /// When the secrets cannot be read or written.
    pub(crate) fn identity(&self) -> anyhow::Result<bodega_identity::Settings> {
        let secret = match &self.jwt_secret_key {
            Some(secret) => secret.clone(),
            None => Secrets::open(&self.data_dir)?
                .jwt_secret_key
                .parse()
                .map_err(anyhow::Error::msg)
                .context("invalid secret in the data directory")?,
        };
        let access_ttl = self.tokens.access_ttl;
        Ok(bodega_identity::Settings { access_ttl, ..bodega_identity::Settings::new(secret) })
    }

    /// Returns the image storage and the settings of the gateway.
    ///
    /// # Errors
    /// When the configuration of a storage is incomplete, and when the directory cannot be created.
    pub(crate) fn media(&self) -> anyhow::Result<(Media, Settings)> {
        let directory = self.gateway.media_dir.clone().unwrap_or_else(|| self.data_dir.join("media"));
        let media = self.media.open(&directory)?;
        Ok((media, Settings { media_dir: Some(directory), ..self.gateway.clone() }))
    }

    /// Opens the database, or connects to the one of a running `bodega`, and migrates it.
    async fn database(&self) -> anyhow::Result<Database> {
        let database = Database::open_or_join(&self.database, &self.data_dir).await?;
        match database.migrate(&self.data_dir).await {
            Ok(()) => Ok(database),
            Err(error) => {
                database.close().await?;
                Err(error)
            }
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the store until Ctrl-C or SIGTERM (default)
    Up,
    /// Apply the database migrations
    Migrate,
    /// Add the demo products that are missing, or generate many products
    Seed(seed::Args),
    /// Manage admins
    #[command(subcommand)]
    Admin(admin::Command),
    /// Check the data and report every violation; exits with 1 if there is one
    Verify {
        /// First repair what is safe to repair, and report it; also on a running store
        #[arg(long)]
        repair: bool,
    },
    /// Print the OpenAPI document
    Openapi,
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = match config::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let mut code = ExitCode::SUCCESS;
    let ran = process::block_on(async {
        let _telemetry = telemetry::init("bodega", &cli.telemetry)?;
        code = run(cli).await?;
        Ok(())
    });
    if ran == ExitCode::SUCCESS { code } else { ran }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let store = cli.store;
    match cli.command.unwrap_or(Command::Up) {
        Command::Up => up::run(cli.up, &store).await?,
        Command::Migrate => {
            store.database().await?.close().await?;
            print("The database is migrated.\n")?;
        }
        Command::Seed(args) => {
            let database = store.database().await?;
            let seeded = seed::run(&args, database.owner(), store.gateway.currency).await;
            database.close().await?;
            print(&seeded?)?;
        }
        Command::Admin(command) => {
            let database = store.database().await?;
            let created = admin::run(command, database.owner(), &store.identity()?).await;
            database.close().await?;
            print(&created?)?;
        }
        Command::Verify { repair } => {
            let database = Database::open_or_join(&store.database, &store.data_dir).await?;
            let verified = verify(database.owner(), repair).await;
            database.close().await?;
            if !verified?.is_clean() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Openapi => {
            let document = serde_json::to_string_pretty(&bodega_gateway::openapi())?;
            print(&format!("{document}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the repairs, if requested, and the results of the checks.
async fn verify(owner: &PgConnectOptions, repair: bool) -> anyhow::Result<Report> {
    let report = if repair {
        let Repaired { done, report } = verify::repair::run(owner).await?;
        print(&done.iter().map(|line| format!("repaired  {line}\n")).collect::<String>())?;
        report
    } else {
        verify::run(owner).await?
    };
    print(&report.to_string())?;
    Ok(report)
}

/// Writes to standard output; a closed pipe is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
