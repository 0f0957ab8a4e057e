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
    provision,
    secrets::Secrets,
    seed, up,
    verify::{self, Report, repair::Repaired},
};

const EXAMPLES: &str = "\
Every option can also be set by the variable that is named behind it, in the environment or in a file `.env`.
In a database of its own, each service has a role that reaches its own schema only; a database that is named is
migrated and used as the one role it is named with.

Examples:
  bodega                                  open the store here, with a database of its own
  bodega --http 0.0.0.0:80 --demo=false   open it to everybody, with empty shelves
  bodega admin create --email ada@example.com --name Ada
  bodega seed --products 100000           put many products on the shelves
  bodega verify                           look whether everything adds up
  bodega verify --repair                  mend what is safe to mend, and look then";

/// A store: accounts, a catalogue, carts and orders behind one REST API, in one process
#[derive(Parser)]
#[command(
    name = "bodega",
    version,
    after_help = EXAMPLES,
    // A line an option: the long form is four screens.
    disable_help_flag = true,
    // `bodega --data-dir x verify` and `bodega verify --data-dir x` are the same.
    mut_args = |arg| arg.global(true),
    mut_arg(
        "media_dir",
        |arg| arg.help_heading("Pictures").help("Directory for pictures [default: media in the data directory]")
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

/// What every command is told.
#[derive(clap::Args)]
pub(crate) struct StoreArgs {
    /// Directory for the store's own database, its secrets and its pictures
    #[arg(long, env = "BODEGA_DATA_DIR", default_value = ".bodega", help_heading = "Data")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten, next_help_heading = "Database; none named: one of its own in the data directory")]
    pub(crate) database: DatabaseArgs,
    /// Seals the keys that sign access tokens, at least 32 bytes; made and kept in the data directory when not given
    #[arg(long, env = "JWT_SECRET_KEY", hide_env_values = true, help_heading = "Data")]
    jwt_secret_key: Option<bodega_identity::SecretKey>,
    #[command(flatten, next_help_heading = "Payments")]
    pub(crate) payments: PaymentArgs,
    #[command(flatten, next_help_heading = "Pictures")]
    media: MediaArgs,
    #[command(flatten, next_help_heading = "API")]
    tokens: bodega_identity::TokenArgs,
    #[command(flatten, next_help_heading = "API")]
    pub(crate) gateway: Settings,
}

impl StoreArgs {
    /// Identity's settings.
    ///
    /// # Errors
    /// When the secrets cannot be kept.
    pub(crate) fn identity(&self) -> anyhow::Result<bodega_identity::Settings> {
        let secret = match &self.jwt_secret_key {
            Some(secret) => secret.clone(),
            None => Secrets::open(&self.data_dir)?
                .jwt_secret_key
                .parse()
                .map_err(anyhow::Error::msg)
                .context("the secret in the data directory cannot be used")?,
        };
        let access_ttl = self.tokens.access_ttl;
        Ok(bodega_identity::Settings { access_ttl, ..bodega_identity::Settings::new(secret) })
    }

    /// Where the pictures are kept, and the gateway's settings, which say where to find them.
    ///
    /// # Errors
    /// When a storage is configured by half, and when there can be no directory.
    pub(crate) fn media(&self) -> anyhow::Result<(Media, Settings)> {
        let directory = self.gateway.media_dir.clone().unwrap_or_else(|| self.data_dir.join("media"));
        let media = self.media.open(&directory)?;
        Ok((media, Settings { media_dir: Some(directory), ..self.gateway.clone() }))
    }

    /// The store's database, joined when a running `bodega` has it open, and migrated.
    async fn database(&self) -> anyhow::Result<Database> {
        let database = Database::open_or_join(&self.database, &self.data_dir).await?;
        provision::migrate(database.owner()).await?;
        Ok(database)
    }
}

#[derive(Subcommand)]
enum Command {
    /// Open the store, until Ctrl-C or SIGTERM; what `bodega` alone does
    Up,
    /// Bring the database to the state this version wants
    Migrate,
    /// Put goods on the shelves: the demo shop, what it lacks of it; or many products that are made up
    Seed(seed::Args),
    /// Look after those who run the shop
    #[command(subcommand)]
    Admin(admin::Command),
    /// Look whether everything adds up, and name every row that does not; exits with 1 then
    Verify {
        /// First mend what is safe to mend, and say what was done; on a store that is open, too
        #[arg(long)]
        repair: bool,
    },
    /// Print the OpenAPI document
    Openapi,
}

/// Runs the command that the command line names.
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
            print("The database is ready.\n")?;
        }
        Command::Seed(args) => {
            let database = store.database().await?;
            let seeded = seed::run(&args, database.owner(), store.gateway.currency).await;
            database.close().await?;
            print(&seeded?)?;
        }
        Command::Admin(command) => {
            let database = store.database().await?;
            let made = admin::run(command, database.owner(), &store.identity()?).await;
            database.close().await?;
            print(&made?)?;
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

/// Prints what was mended, if that was asked for, and what does not add up.
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

/// Writes to standard output; that nobody reads to the end is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => Err(cause).context("cannot write"),
        _ => Ok(()),
    }
}
