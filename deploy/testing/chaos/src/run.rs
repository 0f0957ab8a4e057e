//! A run: shoppers shop, things break, all is mended, and then everything must add up.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::future::{join_all, try_join_all};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    faults::{Fault, Kind, Lane},
    fleet::{Fleet, FleetOptions},
    invariants,
    journal::Journal,
    plan::Plan,
    shopper::{Counts, Shelf, Shopper},
};

/// How long what is open may take once all services are up and nothing is asked of them any more.
const SETTLING: Duration = Duration::from_secs(10);
/// How long services may take to be up once nothing is broken any more.
const RECOVERY: Duration = Duration::from_secs(30);
/// How long shoppers go on once all is mended: what broke last must still be seen to work.
const AFTERMATH: Duration = Duration::from_secs(2);
/// How long a shopper may take for the request it is at.
const FAREWELL: Duration = Duration::from_secs(15);
/// How long a token lives where they are to expire.
const SHORT_TTL: Duration = Duration::from_secs(6);
const PROGRESS: Duration = Duration::from_secs(2);
/// Few products: shoppers are to get in each other's way.
const PRODUCTS: usize = 24;
/// Units of each product: enough for most, not for all.
const STOCK: i32 = 2_000;

/// What a run is to be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Fixes every choice.
    pub(crate) seed: u64,
    /// How many shop.
    pub(crate) shoppers: usize,
    /// What goes wrong.
    pub(crate) faults: Vec<Kind>,
    /// Whether the store is one process.
    pub(crate) standalone: bool,
    /// How long things break at least.
    pub(crate) lasts: Duration,
    /// How many processes are killed at least.
    pub(crate) kills: u64,
    /// How many orders are placed at least.
    pub(crate) checkouts: u64,
    /// Where the processes' logs and the journal are kept; nowhere if it is not said.
    pub(crate) log_dir: Option<PathBuf>,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The seed.
    pub(crate) seed: u64,
    /// Orders that were placed.
    pub(crate) checkouts: u64,
    /// Orders that were paid.
    pub(crate) paid: u64,
    /// Orders that were cancelled.
    pub(crate) cancelled: u64,
    /// Requests that got no answer or 5xx.
    pub(crate) errors: u64,
    /// How often which fault happened.
    pub(crate) faults: BTreeMap<Kind, u64>,
    /// How long what was open took to settle, once all services were up; `None` when it took longer than it may.
    pub(crate) settled_in: Option<Duration>,
    /// What does not hold.
    pub(crate) violations: Vec<String>,
}

impl Outcome {
    /// The head of a table of outcomes.
    pub(crate) const HEADER: &str = "| seed | orders | paid | cancelled | no answer or 5xx | faults | of them kills | settled in | violations |\n\
        |---|---|---|---|---|---|---|---|---|\n";

    /// A row of that table.
    pub(crate) fn row(&self) -> String {
        let Self { seed, checkouts, paid, cancelled, errors, faults, .. } = self;
        let total: u64 = faults.values().sum();
        let kills = faults.get(&Kind::Kill).copied().unwrap_or_default();
        format!(
            "| {seed} | {checkouts} | {paid} | {cancelled} | {errors} | {total} | {kills} | {} | {} |\n",
            self.settling(),
            self.violations.len()
        )
    }

    fn settling(&self) -> String {
        match self.settled_in {
            Some(time) => format!("{:.1} s", time.as_secs_f64()),
            None => format!("not in {} s", SETTLING.as_secs()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, checkouts, paid, cancelled, errors, faults, violations, .. } = self;
        let faults: Vec<_> = faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(
            f,
            "seed {seed}: {checkouts} orders, {paid} paid, {cancelled} cancelled, {errors} requests without a good \
             answer; {}; settled in {}; {} violations",
            faults.join(", "),
            self.settling(),
            violations.len()
        )?;
        violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// Shops and breaks, then looks whether everything adds up.
///
/// # Errors
/// When the store cannot be started, broken, mended or looked at: then nothing is known of the invariants.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let access_ttl = settings.faults.contains(&Kind::ExpiringTokens).then_some(SHORT_TTL);
    let log_dir = settings.log_dir.as_ref().map(|dir| dir.join(settings.seed.to_string()));
    let &Settings { seed, standalone, .. } = settings;
    let options = FleetOptions { standalone, durable: true, seed, access_ttl, log_dir: log_dir.clone() };
    let fleet = Fleet::start(options).await.context("cannot start the store")?;
    let shelf = Shelf::stock(fleet.url(), fleet.admin(), PRODUCTS, STOCK).await?;

    let journal = Journal::begin();
    let counts = Arc::new(Counts::default());
    let closing_time = CancellationToken::new();
    let shoppers = (0..settings.shoppers).map(|number| {
        let stripe = fleet.stripe().clone();
        let shopper = Shopper::new(number, settings.seed, fleet.url(), journal.clone(), stripe, &shelf);
        tokio::spawn(shopper.counting(&counts).shop(closing_time.clone()))
    });
    let shoppers: Vec<_> = shoppers.collect();

    let trouble = Trouble::default();
    let progress = tell_progress(settings, &trouble, &counts);
    let happened = tokio::select! {
        broken = break_things(settings, &fleet, &trouble, &counts) => broken,
        () = progress => Ok(()),
    };
    happened?;
    fleet.is_ready(RECOVERY).await.context("the store is not up again")?;
    sleep(AFTERMATH).await;
    closing_time.cancel();
    timeout(FAREWELL, join_all(shoppers)).await.context("a shopper does not come to an end")?;

    if let Some(dir) = log_dir {
        journal.save(&dir.join("journal")).context("cannot keep the journal")?;
    }
    let settled_in = settle(&fleet).await?;
    let mut violations = invariants::check(&fleet, &journal).await?;
    if settled_in.is_none() {
        violations.push(format!("I4: something is still open after {} s", SETTLING.as_secs()));
    }
    if let Err(report) = fleet.verify().await {
        violations.push(format!("bodega verify: {report:#}"));
    }
    Ok(Outcome {
        seed: settings.seed,
        checkouts: counts.placed.load(Relaxed),
        paid: counts.paid.load(Relaxed),
        cancelled: counts.cancelled.load(Relaxed),
        errors: counts.errors.load(Relaxed),
        faults: trouble.counts(),
        settled_in,
        violations,
    })
}

/// Lets faults happen in every lane until the settings are met, and ends with none.
async fn break_things(
    settings: &Settings,
    fleet: &Fleet,
    trouble: &Trouble,
    counts: &Counts,
) -> anyhow::Result<()> {
    let enough = CancellationToken::new();
    let plans = Lane::ALL
        .into_iter()
        .filter_map(|lane| Plan::new(lane, &settings.faults, settings.seed, settings.standalone));
    let lanes = try_join_all(plans.map(|plan| follow(plan, fleet, trouble, &enough)));
    let watch = async {
        let started = Instant::now();
        while started.elapsed() < settings.lasts
            || counts.placed.load(Relaxed) < settings.checkouts
            || trouble.kills() < settings.kills
        {
            sleep(Duration::from_millis(100)).await;
        }
        enough.cancel();
        Ok(())
    };
    tokio::try_join!(lanes, watch)?;
    Ok(())
}

async fn follow(
    plan: Plan,
    fleet: &Fleet,
    trouble: &Trouble,
    enough: &CancellationToken,
) -> anyhow::Result<()> {
    for step in plan {
        if enough.run_until_cancelled(sleep(step.peace)).await.is_none() {
            break;
        }
        trouble.begins(step.fault);
        step.fault.happen(fleet).await.with_context(|| format!("fault {}", step.fault))?;
        trouble.ends(step.fault);
    }
    Ok(())
}

/// Waits until nothing is open; how long that took, `None` when it takes too long.
async fn settle(fleet: &Fleet) -> anyhow::Result<Option<Duration>> {
    let started = Instant::now();
    while started.elapsed() < SETTLING {
        if invariants::unsettled(fleet).await? == 0 {
            return Ok(Some(started.elapsed()));
        }
        sleep(Duration::from_millis(250)).await;
    }
    Ok(None)
}

async fn tell_progress(settings: &Settings, trouble: &Trouble, counts: &Counts) {
    let started = Instant::now();
    let mut ticks = interval(PROGRESS);
    loop {
        ticks.tick().await;
        eprintln!("seed {} {:3} s: {counts}; {trouble}", settings.seed, started.elapsed().as_secs());
    }
}

/// What goes wrong now, and how often what went wrong so far.
#[derive(Default)]
struct Trouble {
    now: Mutex<Vec<Fault>>,
    counts: Mutex<BTreeMap<Kind, u64>>,
}

impl Trouble {
    fn begins(&self, fault: Fault) {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(fault.kind).or_default() += 1;
    }

    fn ends(&self, fault: Fault) {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != fault);
    }

    fn counts(&self) -> BTreeMap<Kind, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn kills(&self) -> u64 {
        self.counts().get(&Kind::Kill).copied().unwrap_or_default()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let now: Vec<_> = now.iter().map(Fault::to_string).collect();
        let total: u64 = self.counts().values().sum();
        write!(f, "{total} faults, {} kills; now: {}", self.kills(), now.join(", "))
    }
}
