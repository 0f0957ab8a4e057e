//! What is measured.

mod bursts;
mod lifecycle;
mod load;
mod search;

use std::time::Duration;

use clap::ValueEnum;
use tokio::time::sleep;

use crate::{
    outcome::Outcome,
    target::{Build, Target},
};

/// A flow, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flow {
    /// A page of 20 products, any of all pages
    List,
    /// A product by its id
    Get,
    /// Adding one of 10 products to a cart
    Add,
    /// Two products added to the empty cart, then an order
    Checkout,
    /// The same product added to every cart, then an order
    Hot,
    /// Pages of products while 300 checkouts a second run
    Mixed,
    /// Sign-in with a password
    Login,
    /// 64 customers at once order 2 units each of a product with 100
    Race,
    /// 1,000 customers at once order a unit of a product with 100
    Burst,
    /// SQL statements a second without any request
    Idle,
    /// Lists and searches of all kinds with 8 connections, and product reads beside them; for many products
    Search,
    /// First start, and start with existing data
    Start,
    /// Resident memory 10 s after a restart, and after 500 sign-ins
    Memory,
    /// Size of the program
    Size,
}

impl Flow {
    /// Returns the flows that run unless some are selected: those of a catalog of normal size, or of a large one.
    pub(crate) fn defaults(is_large: bool) -> Vec<Flow> {
        if is_large {
            return vec![Flow::List, Flow::Get, Flow::Search];
        }
        Self::value_variants().iter().copied().filter(|flow| *flow != Flow::Search).collect()
    }

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it starts a store of its own instead of using a running one.
    pub(crate) fn is_of_build(self) -> bool {
        matches!(self, Flow::Start | Flow::Memory | Flow::Size)
    }

    /// Whether the Express server is measured, too. It would take minutes to register the customers of a burst.
    pub(crate) fn has_peer(self) -> bool {
        !self.is_of_build() && !matches!(self, Flow::Mixed | Flow::Burst | Flow::Idle | Flow::Search)
    }

    /// Whether it is run with each of the numbers of connections.
    pub(crate) fn has_connections(self) -> bool {
        matches!(self, Flow::List | Flow::Get | Flow::Add | Flow::Checkout | Flow::Hot | Flow::Mixed)
    }
}

/// How long a store does nothing before it is measured, and while it is.
const IDLE_TIME: Duration = Duration::from_secs(10);

/// How a flow is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

impl Settings {
    /// The duration of a load that must not end before the measured one.
    fn with_margin(&self) -> Duration {
        self.warm_up + self.duration + Duration::from_secs(1)
    }
}

/// Runs a flow with a running server.
///
/// # Errors
/// The server cannot be prepared, or the load generator fails.
pub(crate) async fn run(flow: Flow, target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    match flow {
        Flow::List => load::list(target, settings).await,
        Flow::Get => load::get(target, settings).await,
        Flow::Add => load::add(target, settings).await,
        Flow::Checkout => load::checkout(target, settings).await,
        Flow::Hot => load::hot(target, settings).await,
        Flow::Mixed => load::mixed(target, settings).await,
        Flow::Login => load::login(target, settings).await,
        Flow::Race => bursts::race(target).await,
        Flow::Burst => bursts::burst(target).await,
        Flow::Idle => idle(target).await,
        Flow::Search => search::search(target, settings).await,
        Flow::Start | Flow::Memory | Flow::Size => Ok(Vec::new()),
    }
}

async fn idle(target: &Target) -> anyhow::Result<Vec<Outcome>> {
    // After the requests of other flows.
    sleep(IDLE_TIME).await;
    let before = target.statements().await?;
    sleep(IDLE_TIME).await;
    let during = target.statements().await? - before;
    let all =
        during.statements.zip(during.transaction_control).map(|(statements, control)| statements + control);
    let rate = all.map(|all| {
        Outcome::value("statements of an idle store", all / IDLE_TIME.as_secs_f64(), "per second")
    });
    Ok(rate.into_iter().collect())
}

/// Runs a flow that starts a store of its own.
///
/// # Errors
/// The store does not start, or rejects sign-ins.
pub(crate) async fn run_of_build(flow: Flow, build: &Build) -> anyhow::Result<Vec<Outcome>> {
    match flow {
        Flow::Start => lifecycle::start(build).await,
        Flow::Memory => lifecycle::memory(build).await,
        Flow::Size => lifecycle::size(build),
        _ => Ok(Vec::new()),
    }
}
