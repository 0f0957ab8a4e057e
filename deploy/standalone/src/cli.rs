//! The command line.

use std::{env, process::ExitCode};

use anyhow::bail;
use bodega_runtime::{
    config::{self, TelemetryArgs},
    process, telemetry,
};
use clap::{ArgAction, Parser, Subcommand};

use crate::{
    admin, health, keys, migrate,
    output::print,
    provision::Logins,
    seed, serve,
    store_args::StoreArgs,
    up,
    verify::{self, Report, repair::Repaired},
};

const EXAMPLES: &str = "\
Every option can also be set by the variable in its help, in the environment or in a file `.env`. A variable that is empty
is not set. For each secret X (a password, token or key, and DATABASE_URL), the variable X_FILE can name a file with the
value instead. In the embedded database, each service has a role that can access its own schema only; a given database is
migrated and used with the given role. `bodega migrate` creates such roles in a given database, too.

Examples:
  bodega                                  run the store with an embedded database
  bodega --http 0.0.0.0:80 --demo=false   listen on all interfaces, without demo products
  bodega admin create --email ada@example.com --name Ada
  bodega admin reset-password --email ada@example.com
                                          print a one-time password for a user
  bodega admin remove-2fa --email ada@example.com
                                          remove the second factor of a user who has lost it
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

#[derive(Subcommand)]
enum Command {
    /// Run the store until Ctrl-C or SIGTERM (default)
    Up,
    /// Apply the database migrations, and create the services' roles and the first admin, if their passwords are set
    Migrate(migrate::Args),
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
    /// Run one service, or the gateway, as its own process: see `bodega serve --help`
    Serve,
    /// Check that the process with this environment is ready; exits with 1 if it is not
    Health,
    /// Generate the secrets of a store whose services are separate processes, or rotate the signing key
    Keys(keys::Args),
    /// Print the OpenAPI document
    Openapi,
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    // These two have the options of another process, or few.
    let mut arguments = env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|command| command.to_str()) {
        Some("serve") => return serve::main(arguments),
        Some("health") => return health::main(arguments),
        _ => {}
    }
    let cli = match config::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let mut code = ExitCode::SUCCESS;
    let ran = process::block_on(async {
        let _telemetry = telemetry::init("bodega", &cli.telemetry)?;
        config::warn_about_unknown_variables();
        code = run(cli).await?;
        Ok(())
    });
    if ran == ExitCode::SUCCESS { code } else { ran }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let store = cli.store;
    match cli.command.unwrap_or(Command::Up) {
        Command::Up => up::run(cli.up, &store).await?,
        Command::Migrate(args) => {
            let passwords = args.passwords()?;
            anyhow::ensure!(
                !store.database.db_pooler,
                "BODEGA_DB_POOLER is true, but migrations need a direct connection: set it to false, and DATABASE_URL to Postgres \
                 itself"
            );
            let database = store.database().await?;
            let migrated = async {
                let output = migrate::create_roles(&database, passwords.as_ref()).await?;
                cli.up.create_given_admin(&database.owners().identity).await?;
                anyhow::Ok(output)
            };
            let migrated = migrated.await;
            database.close().await?;
            print(migrated?)?;
        }
        Command::Seed(args) => {
            let database = store.database().await?;
            let seeded = seed::run(&args, &database.owners().catalog, store.gateway.currency).await;
            database.close().await?;
            print(&seeded?)?;
        }
        Command::Admin(command) => {
            let database = store.database().await?;
            let output = admin::run(command, &database.owners().identity, &store.identity()?).await;
            database.close().await?;
            print(&output?)?;
        }
        Command::Verify { repair } => {
            let database = store.unmigrated_database().await?;
            let verified = verify(database.owners(), repair).await;
            database.close().await?;
            if !verified?.is_clean() {
                return Ok(ExitCode::FAILURE);
            }
        }
        // Only with an option before the command: `main` runs them otherwise.
        Command::Serve => bail!("`serve` must be the first argument: bodega serve <PROCESS> [OPTIONS]"),
        Command::Health => bail!("`health` must be the first argument: bodega health [OPTIONS]"),
        Command::Keys(keys::Args { command: Some(keys::Command::Rotate), .. }) => {
            let database = store.database().await?;
            let rotated = keys::rotate(&store, &database.owners().identity).await;
            database.close().await?;
            print(&rotated?)?;
        }
        Command::Keys(args) => {
            if let Some(secret) = keys::run(&args)? {
                print(&format!("{secret}\n"))?;
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
async fn verify(owners: &Logins, repair: bool) -> anyhow::Result<Report> {
    let report = if repair {
        let Repaired { done, report } = verify::repair::run(owners).await?;
        print(&done.iter().map(|line| format!("repaired  {line}\n")).collect::<String>())?;
        report
    } else {
        verify::run(owners).await?
    };
    print(&report.to_string())?;
    Ok(report)
}
