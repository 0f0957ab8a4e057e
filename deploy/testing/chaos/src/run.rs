//! A run: clients use the store while faults happen, and the invariants are checked once all faults have ended.

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
    client::{Client, Counters, Fulfillment, Guest, ProductSet},
    cluster::{Cluster, ClusterOptions, Connections},
    faults::{Fault, FaultKind, Lane, Schedule},
    invariants,
    journal::Journal,
    targets,
};

/// How long pending work may take once all services are ready and the clients have stopped.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long services may take to become ready after the last fault.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long clients continue after the last fault, to use the parts that it affected.
const POST_FAULT_WINDOW: Duration = Duration::from_secs(2);
/// How long a client may take to complete its open request.
const CLIENT_STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// The access token lifetime with [`FaultKind::ExpiringTokens`].
const SHORT_ACCESS_TTL: Duration = Duration::from_secs(6);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
/// The number of products: few, so that clients compete for them.
const PRODUCTS: usize = 24;
/// The number of guests who order at the same time.
const GUESTS: usize = 2;
/// Units of each product: enough for most clients, not for all.
const STOCK: i32 = 2_000;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) faults: Vec<FaultKind>,
    pub(crate) standalone: bool,
    /// Minimum duration of the faults.
    pub(crate) min_duration: Duration,
    pub(crate) min_kills: u64,
    pub(crate) min_orders: u64,
    /// Directory for the processes' logs and the journal.
    pub(crate) log_dir: Option<PathBuf>,
    /// The file for the addresses of the processes' metrics. With it, the store keeps running after the clients.
    pub(crate) targets: Option<PathBuf>,
    /// The program pgbouncer, through which the services use the database.
    pub(crate) pgbouncer: Option<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct RunResult {
    seed: u64,
    orders: u64,
    paid: u64,
    cancelled: u64,
    /// Requests without a response or with a 5xx.
    errors: u64,
    faults: BTreeMap<FaultKind, u64>,
    /// How long the pending work took; `None` if longer than [`SETTLE_TIMEOUT`].
    settled_in: Option<Duration>,
    /// `None` without pgbouncer.
    connections: Option<Connections>,
    pub(crate) violations: Vec<String>,
}

impl RunResult {
    /// The head of a Markdown table of results.
    pub(crate) const HEADER: &str = "| seed | orders | paid | cancelled | no response or 5xx | faults | kills | settled in | violations |\n\
        |---|---|---|---|---|---|---|---|---|\n";

    pub(crate) fn row(&self) -> String {
        let Self { seed, orders, paid, cancelled, errors, faults, .. } = self;
        let total: u64 = faults.values().sum();
        let kills = faults.get(&FaultKind::Kill).copied().unwrap_or_default();
        format!(
            "| {seed} | {orders} | {paid} | {cancelled} | {errors} | {total} | {kills} | {} | {} |\n",
            self.format_settled_in(),
            self.violations.len()
        )
    }

    fn format_settled_in(&self) -> String {
        match self.settled_in {
            Some(time) => format!("{:.1} s", time.as_secs_f64()),
            None => format!("not in {} s", SETTLE_TIMEOUT.as_secs()),
        }
    }
}

impl fmt::Display for RunResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, orders, paid, cancelled, errors, faults, violations, .. } = self;
        let faults: Vec<_> = faults.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(
            f,
            "seed {seed}: {orders} orders, {paid} paid, {cancelled} cancelled, {errors} requests without a response or \
             with 5xx; faults: {}; settled in {}; {} violations",
            faults.join(", "),
            self.format_settled_in(),
            violations.len()
        )?;
        if let Some(connections) = &self.connections {
            writeln!(f, "  {connections}")?;
        }
        violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// Runs clients and faults, then checks the invariants.
///
/// # Errors
/// The store cannot be started, broken, restored or read: the invariants are not checked then.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<RunResult> {
    let access_ttl = settings.faults.contains(&FaultKind::ExpiringTokens).then_some(SHORT_ACCESS_TTL);
    let log_dir = settings.log_dir.as_ref().map(|dir| dir.join(settings.seed.to_string()));
    let &Settings { seed, standalone, .. } = settings;
    let metrics = settings.targets.is_some();
    let options = ClusterOptions {
        standalone,
        durable: true,
        seed,
        access_ttl,
        log_dir: log_dir.clone(),
        metrics,
        pgbouncer: settings.pgbouncer.clone(),
    };
    let cluster = Cluster::start(options).await.context("cannot start the store")?;
    let products = ProductSet::create_with_rules(cluster.url(), cluster.admin(), PRODUCTS, STOCK).await?;

    if let Some(file) = &settings.targets {
        targets::write(file, &cluster).with_context(|| format!("cannot write {}", file.display()))?;
    }

    let journal = Journal::start();
    let counters = Arc::new(Counters::default());
    let stop = CancellationToken::new();
    let clients = (0..settings.clients).map(|number| {
        let stripe = cluster.stripe().clone();
        let client = Client::new(number, seed, cluster.url(), journal.clone(), stripe, &products);
        tokio::spawn(client.with_counters(&counters).run(stop.clone()))
    });
    let mut clients: Vec<_> = clients.collect();
    let admin = Fulfillment::start(cluster.url(), cluster.admin(), seed, journal.clone(), &products).await?;
    clients.push(tokio::spawn(admin.run(stop.clone())));
    let guest_journal = Journal::start();
    for number in 0..GUESTS {
        let (journal, stripe) = (guest_journal.clone(), cluster.stripe().clone());
        let guest = Guest::new(number, seed, cluster.url(), journal, stripe, &products);
        clients.push(tokio::spawn(guest.run(stop.clone())));
    }

    let fault_log = FaultLog::default();
    let injected = tokio::select! {
        injected = inject_faults(settings, &cluster, &fault_log, &counters) => injected,
        () = print_progress(settings, &fault_log, &counters) => Ok(()),
    };
    injected?;
    cluster.wait_until_ready(READY_TIMEOUT).await.context("the store has not recovered")?;
    sleep(POST_FAULT_WINDOW).await;
    stop.cancel();
    timeout(CLIENT_STOP_TIMEOUT, join_all(clients)).await.context("a client does not stop")?;

    if let Some(dir) = log_dir {
        journal.save(&dir.join("journal")).context("cannot save the journal")?;
        guest_journal.save(&dir.join("guests")).context("cannot save the journal of the guests")?;
    }
    let settled_in = wait_until_settled(&cluster).await?;
    if settings.targets.is_some() {
        targets::keep_running().await?;
    }
    let mut violations = invariants::check(&cluster, &journal, &guest_journal).await?;
    if settled_in.is_none() {
        let limit = SETTLE_TIMEOUT.as_secs();
        violations.push(format!("I4 pending work: some work was still pending after {limit} s"));
    }
    if let Err(error) = cluster.verify().await {
        violations.push(format!("bodega verify: {error:#}"));
    }
    Ok(RunResult {
        seed,
        orders: counters.placed.load(Relaxed),
        paid: counters.paid.load(Relaxed),
        cancelled: counters.cancelled.load(Relaxed),
        errors: counters.errors.load(Relaxed),
        faults: fault_log.counts(),
        settled_in,
        connections: cluster.peak_connections(),
        violations,
    })
}

/// Injects the faults of all lanes until the settings are met and the last fault has ended.
async fn inject_faults(
    settings: &Settings,
    cluster: &Cluster,
    fault_log: &FaultLog,
    counters: &Counters,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let schedules = Lane::ALL
        .into_iter()
        .filter_map(|lane| Schedule::new(lane, &settings.faults, settings.seed, settings.standalone));
    let lanes = try_join_all(schedules.map(|schedule| follow(schedule, cluster, fault_log, &stop)));
    let stop_when_met = async {
        let started = Instant::now();
        while started.elapsed() < settings.min_duration
            || counters.placed.load(Relaxed) < settings.min_orders
            || fault_log.kills() < settings.min_kills
        {
            sleep(Duration::from_millis(100)).await;
        }
        stop.cancel();
        Ok(())
    };
    tokio::try_join!(lanes, stop_when_met)?;
    Ok(())
}

async fn follow(
    schedule: Schedule,
    cluster: &Cluster,
    fault_log: &FaultLog,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    for scheduled in schedule {
        if stop.run_until_cancelled(sleep(scheduled.pause)).await.is_none() {
            break;
        }
        let fault = scheduled.fault;
        fault_log.start(fault);
        fault.inject(cluster).await.with_context(|| format!("fault {fault}"))?;
        fault_log.end(fault);
    }
    Ok(())
}

/// Waits until no work is pending. Returns how long that took; `None` after [`SETTLE_TIMEOUT`].
async fn wait_until_settled(cluster: &Cluster) -> anyhow::Result<Option<Duration>> {
    let started = Instant::now();
    while started.elapsed() < SETTLE_TIMEOUT {
        if invariants::count_pending_work(cluster).await? == 0 {
            return Ok(Some(started.elapsed()));
        }
        sleep(Duration::from_millis(250)).await;
    }
    Ok(None)
}

async fn print_progress(settings: &Settings, fault_log: &FaultLog, counters: &Counters) {
    let started = Instant::now();
    let mut ticks = interval(PROGRESS_INTERVAL);
    loop {
        ticks.tick().await;
        eprintln!("seed {} {:3} s: {counters}; {fault_log}", settings.seed, started.elapsed().as_secs());
    }
}

/// The current faults, and the number of all so far.
#[derive(Default)]
struct FaultLog {
    current: Mutex<Vec<Fault>>,
    counts: Mutex<BTreeMap<FaultKind, u64>>,
}

impl FaultLog {
    fn start(&self, fault: Fault) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(fault.kind).or_default() += 1;
    }

    fn end(&self, fault: Fault) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != fault);
    }

    fn counts(&self) -> BTreeMap<FaultKind, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn kills(&self) -> u64 {
        self.counts().get(&FaultKind::Kill).copied().unwrap_or_default()
    }
}

impl fmt::Display for FaultLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let current: Vec<_> = current.iter().map(Fault::to_string).collect();
        let total: u64 = self.counts().values().sum();
        write!(f, "{total} faults, {} kills; current: {}", self.kills(), current.join(", "))
    }
}
