//! The command line.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::{Parser, ValueEnum as _};

use crate::{
    builds,
    flows::{self, Flow, Settings},
    report::Report,
    target::{Build, Target, express},
    wrk,
};

const EXAMPLES: &str = "\
Needs wrk (`apt-get install wrk`). All processes and files are removed at the end.

Examples:
  bodega-bench                                            everything, with the release build of this workspace
  bodega-bench --flows checkout,hot --connections 32,128
  bodega-bench --peer --flows list,get,add,checkout,login beside an Express server
  bodega-bench --flows list --seconds 10 --env BODEGA_ACCESS_LOG=off";

/// Measures a store under load
#[derive(Parser)]
#[command(name = "bodega-bench", version, after_help = EXAMPLES)]
struct Cli {
    /// What to measure [default: everything]
    #[arg(long, value_delimiter = ',')]
    flows: Vec<Flow>,
    /// Numbers of concurrent connections
    #[arg(long, value_delimiter = ',', default_value = "32", value_parser = clap::value_parser!(u16).range(1..=2000))]
    connections: Vec<u16>,
    /// Duration of each flow in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Duration of the same load before each flow, in seconds
    #[arg(long, default_value_t = 1)]
    warm_up: u64,
    /// How often everything is measured, in turn for each server; the results are medians [default: 1, or 3 to compare]
    #[arg(long)]
    rounds: Option<usize>,
    /// A built `bodega` to measure [default: build the one of this workspace]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Another built `bodega` to compare with
    #[arg(long, value_name = "PATH")]
    compare_binary: Option<PathBuf>,
    /// Also measure an Express server, for which Node must be installed
    #[arg(long)]
    peer: bool,
    /// Environment variables of the store, for settings other than the defaults
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    variables: Vec<(String, String)>,
}

/// Number of products.
const PRODUCTS: usize = 1000;

pub(crate) fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let cli = Cli::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(until_interrupted(execute(cli))));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C and SIGTERM drop the future, and with it all processes it has started.
async fn until_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = work => result,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminated.recv() => anyhow::bail!("terminated"),
    }
}

async fn execute(cli: Cli) -> anyhow::Result<()> {
    wrk::check_installed().await?;
    let builds = find_builds(&cli).await?;
    let flows = if cli.flows.is_empty() { Flow::value_variants() } else { &cli.flows };
    let mut report = Report::default();
    let (of_build, of_target): (Vec<Flow>, Vec<Flow>) = flows.iter().partition(|flow| flow.is_of_build());

    let mut targets = Vec::new();
    for build in builds.iter().filter(|_| !of_target.is_empty()) {
        targets.push(Target::standalone(build, PRODUCTS).await?);
    }
    if cli.peer {
        targets.push(Target::express(PRODUCTS).await?);
    }
    let rounds = cli.rounds.unwrap_or(if builds.len() > 1 || cli.peer { 3 } else { 1 });
    for flow in of_target {
        let all: Vec<_> = cli.connections.iter().copied().map(usize::from).collect();
        for &connections in if flow.has_connections() { &all[..] } else { &all[..1] } {
            let settings = Settings {
                connections,
                warm_up: Duration::from_secs(cli.warm_up),
                duration: Duration::from_secs(cli.seconds),
            };
            for _ in 0..rounds {
                for target in &mut targets {
                    if target.is_peer() && !flow.has_peer() {
                        continue;
                    }
                    let outcomes = flows::run(flow, target, settings).await;
                    let context = || format!("flow {} of {}", flow.name(), target.name);
                    outcomes
                        .with_context(context)?
                        .into_iter()
                        .for_each(|outcome| report.add(&target.name, outcome));
                }
            }
        }
    }
    let servers = builds.iter().map(|build| build.name.clone());
    let servers: Vec<_> = servers.chain(cli.peer.then(|| express::NAME.to_owned())).collect();
    drop(targets);
    for flow in of_build {
        for _ in 0..rounds {
            for build in &builds {
                let outcomes = flows::run_of_build(flow, build).await;
                let context = || format!("flow {} of {}", flow.name(), build.name);
                outcomes
                    .with_context(context)?
                    .into_iter()
                    .for_each(|outcome| report.add(&build.name, outcome));
            }
        }
    }
    println!("{}", report.tables(&servers));
    Ok(())
}

/// Returns the builds to measure, of which the first one is compared with the others.
async fn find_builds(cli: &Cli) -> anyhow::Result<Vec<Build>> {
    let bodega = match &cli.binary {
        Some(path) => existing(path)?,
        None => builds::build(&builds::workspace(), "bodega").await?,
    };
    let build =
        |name: &str, bodega| Build { name: name.to_owned(), bodega, variables: cli.variables.clone() };
    let mut builds = vec![build("bodega", bodega)];
    if let Some(path) = &cli.compare_binary {
        builds.push(build("other bodega", existing(path)?));
    }
    Ok(builds)
}

/// Returns an absolute path.
fn existing(path: &std::path::Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must have the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_lists_and_variables() {
        let arguments = ["bodega-bench", "--flows", "list,get", "--connections", "32,128", "--env", "A=b=c"];
        let cli = Cli::parse_from(arguments);
        assert_eq!((cli.flows, cli.connections), (vec![Flow::List, Flow::Get], vec![32, 128]));
        assert_eq!(cli.variables, [("A".to_owned(), "b=c".to_owned())]);
    }

    #[test]
    fn rejects_unknown_flows_and_invalid_variables() {
        assert!(Cli::try_parse_from(["bodega-bench", "--flows", "fly"]).is_err());
        assert!(Cli::try_parse_from(["bodega-bench", "--env", "A"]).is_err());
        assert!(Cli::try_parse_from(["bodega-bench", "--connections", "0"]).is_err());
    }
}
