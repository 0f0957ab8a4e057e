//! The command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand, ValueEnum as _};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    faults::Kind,
    measure,
    report::{self, Report},
    run::{self, Outcome, Settings},
};

const EXAMPLES: &str = "\
Build the store first: cargo build --release --workspace

Examples:
  bodega-chaos shop                                       a minute of all faults, with a seed by chance
  bodega-chaos shop --seed 7 --seeds 20 --seconds 120     twenty runs, from seed 7
  bodega-chaos shop --only kill --kills 200 --checkouts 5000
  bodega-chaos shop --standalone                          the store in one process
  bodega-chaos measure overload                           figures of one experiment
  bodega-chaos full --out deploy/testing/chaos/RESULTS.md everything, about an hour and a half";

/// Breaks a whole store while shoppers use it, and looks whether anything was lost
#[derive(Parser)]
#[command(name = "bodega-chaos", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shop while things break; exits with 1 when anything was lost
    Shop(Shop),
    /// Measure what single faults do; exits with 1 when a figure is not reached
    Measure {
        /// What to measure
        #[arg(required = true)]
        experiments: Vec<measure::Experiment>,
        /// Shorter, for a first look: the figures say less
        #[arg(long)]
        short: bool,
    },
    /// All of it, written down
    Full {
        /// The file to write
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Clone, clap::Args)]
struct Shop {
    /// Fixes every choice; chosen by chance when it is not said
    #[arg(long)]
    seed: Option<u64>,
    /// How many runs, each with the next seed
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many runs at once, each with a store of its own
    #[arg(long, default_value_t = 1)]
    at_once: usize,
    /// How long things break in each run, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many processes are killed at least in each run
    #[arg(long, default_value_t = 0)]
    kills: u64,
    /// How many orders are placed at least in each run
    #[arg(long, default_value_t = 0)]
    checkouts: u64,
    /// How many shop at once
    #[arg(long, default_value_t = 12)]
    shoppers: usize,
    /// Nothing but these faults
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// The store in one process
    #[arg(long)]
    standalone: bool,
    /// Where to keep the logs of the store's processes, and what the shoppers were told
    #[arg(long)]
    log_dir: Option<PathBuf>,
}

impl Shop {
    fn settings(&self, seed: u64) -> Settings {
        let faults = if self.only.is_empty() { Kind::value_variants() } else { &self.only };
        Settings {
            seed,
            shoppers: self.shoppers,
            faults: faults.to_vec(),
            standalone: self.standalone,
            lasts: Duration::from_secs(self.seconds),
            kills: self.kills,
            checkouts: self.checkouts,
            log_dir: self.log_dir.clone(),
        }
    }

    /// What repeats the run of this seed.
    fn command(&self, seed: u64) -> String {
        let mut command = format!(
            "bodega-chaos shop --seed {seed} --seconds {} --kills {} --checkouts {} --shoppers {}",
            self.seconds, self.kills, self.checkouts, self.shoppers
        );
        if !self.only.is_empty() {
            let only: Vec<_> = self.only.iter().map(Kind::to_string).collect();
            command.push_str(&format!(" --only {}", only.join(",")));
        }
        if self.standalone {
            command.push_str(" --standalone");
        }
        command
    }
}

/// Runs the command that the command line names.
pub(crate) fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let cli = Cli::parse();
    let worked = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(until_interrupted(carry_out(cli.command))));
    match worked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            eprintln!("error: {cause:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C drops the work, and with it whatever it has started.
async fn until_interrupted(work: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    tokio::select! {
        done = work => done,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            anyhow::bail!("interrupted")
        }
    }
}

/// Whether nothing was lost, and every figure was reached.
async fn carry_out(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Shop(shop) => {
            let outcomes = shop_all(&shop).await?;
            Ok(outcomes.iter().all(|outcome| outcome.violations.is_empty()))
        }
        Command::Measure { experiments, short } => {
            let mut reached = true;
            for experiment in experiments {
                let figures = experiment.run(short).await?;
                println!("{figures}");
                reached &= figures.reached();
            }
            Ok(reached)
        }
        Command::Full { out } => full(&out).await,
    }
}

async fn shop_all(shop: &Shop) -> anyhow::Result<Vec<Outcome>> {
    let first = shop.seed.unwrap_or_else(|| u64::from(rand::random::<u16>()));
    let runs = (first..first.saturating_add(shop.seeds)).map(|seed| shop_once(shop, seed));
    stream::iter(runs).buffered(shop.at_once).try_collect().await
}

async fn shop_once(shop: &Shop, seed: u64) -> anyhow::Result<Outcome> {
    let outcome = run::run(&shop.settings(seed)).await;
    match &outcome {
        Ok(outcome) => println!("{outcome}"),
        Err(_) => println!("seed {seed} came to no end"),
    }
    if outcome.as_ref().map_or(true, |outcome| !outcome.violations.is_empty()) {
        println!("to repeat it: {}", shop.command(seed));
    }
    outcome
}

/// Everything that [`report`] tells of.
async fn full(out: &std::path::Path) -> anyhow::Result<bool> {
    let mut report = Report::begin()?;
    for part in report::PARTS {
        let Cli { command } =
            Cli::parse_from(std::iter::once("bodega-chaos").chain(part.arguments.split(' ')));
        match command {
            Command::Shop(shop) => report.add_runs(part, &shop_all(&shop).await?),
            Command::Measure { experiments, short } => {
                for experiment in experiments {
                    report.add_figures(part, &experiment.run(short).await?);
                }
            }
            Command::Full { .. } => {}
        }
        // What was found so far is kept if a later part fails.
        report.write(out)?;
    }
    Ok(report.is_clean())
}
