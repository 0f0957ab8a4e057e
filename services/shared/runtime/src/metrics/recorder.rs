//! The recorder, its buckets, and what is read at each scrape.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use ::metrics::{Gauge, describe_gauge, gauge};
use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use super::{requests, sampler};
use crate::{auth, combiner, database, product_cache};

/// Upper bounds of the buckets of durations, in seconds. A cached product takes less than 0.1 ms, and 2 s is the time limit of
/// a request.
const SECONDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];
/// Upper bounds of the buckets of counts, in items.
const ITEMS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The commit that the binary was built from, if the build names it.
const COMMIT: Option<&str> = option_env!("BODEGA_COMMIT");

/// Whether a recorder is installed.
static IS_ENABLED: AtomicBool = AtomicBool::new(false);

type Reading = Box<dyn Fn() -> bool + Send>;

/// Reads gauges. Returns `false` when what it reads is gone.
static READINGS: Mutex<Vec<Reading>> = Mutex::new(Vec::new());

/// Returns whether a recorder is installed: without one, nothing has to be measured.
pub fn is_enabled() -> bool {
    IS_ENABLED.load(Ordering::Relaxed)
}

/// Calls `read` with `source` at each scrape, until the source is dropped. `read` sets gauges; it must be fast, and must not
/// call this function.
///
/// Does nothing unless a recorder is installed.
pub fn on_scrape<T: Send + Sync + 'static>(source: &Arc<T>, read: impl Fn(&T) + Send + 'static) {
    if !is_enabled() {
        return;
    }
    let source = Arc::downgrade(source);
    let reading = move || source.upgrade().map(|source| read(&source)).is_some();
    READINGS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(reading));
}

/// The metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    prometheus: PrometheusHandle,
    process: Collector,
}

impl Recorder {
    /// Installs the recorder of this process.
    ///
    /// # Errors
    /// When one is installed already.
    pub fn install() -> anyhow::Result<Self> {
        let prometheus = PrometheusBuilder::new()
            .set_buckets(SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_items".to_owned()), ITEMS))
            .and_then(PrometheusBuilder::install_recorder)
            .context("cannot collect metrics")?;
        IS_ENABLED.store(true, Ordering::Relaxed);
        let process = Collector::default();
        process.describe();
        describe();
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("commit", COMMIT.unwrap_or("unknown"))];
        gauge!("build_info", &labels).set(1.0);
        Ok(Self { prometheus, process })
    }

    /// Returns all metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.collect();
        READINGS.lock().unwrap_or_else(PoisonError::into_inner).retain(|reading| reading());
        self.prometheus.render()
    }

    /// Moves what was measured into the buckets of the histograms. Without it, the measurements use more and more memory.
    pub(super) fn run_upkeep(&self) {
        self.prometheus.run_upkeep();
    }
}

fn describe() {
    describe_gauge!("build_info", "1, with the version and the commit of the binary as labels.");
    requests::describe();
    sampler::describe();
    database::describe_metrics();
    combiner::describe_metrics();
    product_cache::describe_metrics();
    auth::describe_metrics();
}

/// Counts itself in a gauge while it exists.
pub struct InFlight(Gauge);

impl InFlight {
    pub(super) fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
