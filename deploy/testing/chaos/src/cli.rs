//! The command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand, ValueEnum as _};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    faults::FaultKind,
    measure,
    report::{self, Report},
    run::{self, RunResult, Settings},
};

const EXAMPLES: &str = "\
Build the store first: cargo build --release --workspace

Examples:
  bodega-chaos shop                                       one minute of all faults with a random seed
  bodega-chaos shop --seed 7 --seeds 20 --seconds 120     twenty runs with seeds 7 to 26
  bodega-chaos shop --only kill --kills 200 --checkouts 5000
  bodega-chaos shop --standalone                          the store in one process
  bodega-chaos measure overload                           one experiment
  bodega-chaos full --out deploy/testing/chaos/RESULTS.md all runs and experiments, about an hour and a half";

/// Breaks a whole store while clients use it, and checks that nothing is lost
#[derive(Parser)]
#[command(name = "bodega-chaos", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run clients while faults happen; exit with 1 if an invariant is violated
    Shop(Shop),
    /// Run experiments with single faults; exit with 1 if an expectation is not met
    Measure {
        /// The experiments to run
        #[arg(required = true)]
        experiments: Vec<measure::Experiment>,
        /// Run them for a shorter time, with less reliable results
        #[arg(long)]
        short: bool,
    },
    /// Run everything and write a report
    Full {
        /// The file to write
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Clone, clap::Args)]
struct Shop {
    /// Determines all random choices [default: random]
    #[arg(long)]
    seed: Option<u64>,
    /// Number of runs, each with the next seed
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Number of concurrent runs, each with its own store
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// Minimum duration of the faults in each run, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Minimum number of killed processes in each run
    #[arg(long, default_value_t = 0)]
    kills: u64,
    /// Minimum number of placed orders in each run
    #[arg(long, default_value_t = 0)]
    checkouts: u64,
    /// Number of concurrent clients
    #[arg(long, default_value_t = 12)]
    shoppers: usize,
    /// The faults to inject [default: all]
    #[arg(long, value_delimiter = ',')]
    only: Vec<FaultKind>,
    /// Run the store in one process
    #[arg(long)]
    standalone: bool,
    /// Directory for the logs of the processes and the journal of the clients [default: none]
    #[arg(long)]
    log_dir: Option<PathBuf>,
    /// Let the processes serve metrics, write their addresses into this file for Prometheus, and keep the store running after
    /// the clients until the input ends. Without rolling restarts
    #[arg(long, conflicts_with = "standalone")]
    targets: Option<PathBuf>,
    /// Let the services use the database through this program, pgbouncer 1.21 or later, in transaction mode with four server
    /// connections
    #[arg(long, value_name = "PROGRAM", conflicts_with = "standalone")]
    pgbouncer: Option<PathBuf>,
}

impl Shop {
    fn settings(&self, seed: u64) -> Settings {
        let faults = if self.only.is_empty() { FaultKind::value_variants() } else { &self.only };
        // A process that serves metrics cannot be replaced: see `ClusterOptions::metrics`.
        let may_happen = |fault: &&FaultKind| self.targets.is_none() || **fault != FaultKind::Roll;
        Settings {
            seed,
            clients: self.shoppers,
            faults: faults.iter().filter(may_happen).copied().collect(),
            standalone: self.standalone,
            min_duration: Duration::from_secs(self.seconds),
            min_kills: self.kills,
            min_orders: self.checkouts,
            log_dir: self.log_dir.clone(),
            targets: self.targets.clone(),
            pgbouncer: self.pgbouncer.clone(),
        }
    }

    /// Returns the command that repeats the run with this seed.
    fn command(&self, seed: u64) -> String {
        let mut command = format!(
            "bodega-chaos shop --seed {seed} --seconds {} --kills {} --checkouts {} --shoppers {}",
            self.seconds, self.kills, self.checkouts, self.shoppers
        );
        if !self.only.is_empty() {
            let only: Vec<_> = self.only.iter().map(FaultKind::to_string).collect();
            command.push_str(&format!(" --only {}", only.join(",")));
        }
        if self.standalone {
            command.push_str(" --standalone");
        }
        if let Some(program) = &self.pgbouncer {
            command.push_str(&format!(" --pgbouncer {}", program.display()));
        }
        command
    }
}

pub(crate) fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let cli = Cli::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(until_interrupted(execute(cli.command))));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C drops the future, and with it all processes it has started.
async fn until_interrupted(work: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    tokio::select! {
        result = work => result,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted")
        }
    }
}

/// Returns whether all invariants hold and all expectations are met.
async fn execute(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Shop(shop) => {
            let results = run_all(&shop).await?;
            Ok(results.iter().all(|result| result.violations.is_empty()))
        }
        Command::Measure { experiments, short } => {
            let mut passed = true;
            for experiment in experiments {
                let results = experiment.run(short).await?;
                println!("{results}");
                passed &= results.passed();
            }
            Ok(passed)
        }
        Command::Full { out } => write_report(&out).await,
    }
}

async fn run_all(shop: &Shop) -> anyhow::Result<Vec<RunResult>> {
    let first = shop.seed.unwrap_or_else(|| u64::from(rand::random::<u16>()));
    let runs = (first..first.saturating_add(shop.seeds)).map(|seed| run_seed(shop, seed));
    stream::iter(runs).buffered(shop.at_once).try_collect().await
}

async fn run_seed(shop: &Shop, seed: u64) -> anyhow::Result<RunResult> {
    let result = run::run(&shop.settings(seed)).await;
    match &result {
        Ok(result) => println!("{result}"),
        Err(_) => println!("seed {seed} failed"),
    }
    if result.as_ref().map_or(true, |result| !result.violations.is_empty()) {
        println!("repeat it with: {}", shop.command(seed));
    }
    result
}

async fn write_report(out: &std::path::Path) -> anyhow::Result<bool> {
    let mut report = Report::start()?;
    for part in report::PARTS {
        let Cli { command } =
            Cli::parse_from(std::iter::once("bodega-chaos").chain(part.arguments.split(' ')));
        match command {
            Command::Shop(shop) => report.add_runs(part, &run_all(&shop).await?),
            Command::Measure { experiments, short } => {
                for experiment in experiments {
                    report.add_results(part, &experiment.run(short).await?);
                }
            }
            Command::Full { .. } => {}
        }
        // The finished parts survive if a later one fails.
        report.write(out)?;
    }
    Ok(report.passed())
}
