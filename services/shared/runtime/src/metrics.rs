//! Prometheus metrics of all processes, and the endpoint that serves them.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::Hash,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread::LocalKey,
    time::Duration,
};

use ::metrics::Histogram;
use anyhow::Context as _;
use http::StatusCode;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// Interval of the exporter's maintenance of its histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Upper bounds of the latency histograms' buckets, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

fn install() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets(BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .inspect(|_| IS_ENABLED.store(true, Ordering::Relaxed))
        .context("cannot collect metrics")
}

/// Whether a recorder is installed: without one, nothing is measured.
static IS_ENABLED: AtomicBool = AtomicBool::new(false);

/// The histograms of one metric, by a key and by a text that is one of few. Each thread has its own, without a lock.
type Histograms<K> = RefCell<HashMap<K, HashMap<Box<str>, Histogram>>>;

thread_local! {
    static REQUESTS: Histograms<(&'static str, StatusCode)> = RefCell::default();
    static CALLS: Histograms<(&'static str, Code)> = RefCell::default();
}

/// Records a response to an HTTP request. `route` is the template, since clients choose the path.
pub fn http(method: &'static str, route: &str, status: StatusCode, duration: Duration) {
    record(&REQUESTS, (method, status), route, duration, || {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        ::metrics::histogram!("http_server_duration_seconds", &labels)
    });
}

/// Records a served call.
pub(crate) fn rpc(service: &'static str, path: &str, code: Code, duration: Duration) {
    // Clients choose the path: an unknown one must not create a time series.
    let is_unknown = match code {
        Code::Unimplemented => true,
        Code::Unauthenticated => bodega_proto::method(path).is_none(),
        _ => false,
    };
    let method = if is_unknown { "unknown" } else { path };
    record(&CALLS, (service, code), method, duration, || {
        let labels =
            [("service", service.to_owned()), ("method", method.to_owned()), ("code", format!("{code:?}"))];
        ::metrics::histogram!("rpc_server_duration_seconds", &labels)
    });
}

/// Records a duration in the histogram of `key` and `text`, which is looked up in the recorder only once.
fn record<K: Eq + Hash>(
    histograms: &'static LocalKey<Histograms<K>>,
    key: K,
    text: &str,
    duration: Duration,
    histogram: impl FnOnce() -> Histogram,
) {
    if !IS_ENABLED.load(Ordering::Relaxed) {
        return;
    }
    histograms.with_borrow_mut(|histograms| {
        let histograms = histograms.entry(key).or_default();
        match histograms.get(text) {
            Some(histogram) => histogram.record(duration),
            None => histograms.entry(text.into()).or_insert_with(histogram).record(duration),
        }
    });
}

/// Counts a decision about a failed call: `retried`, or the reason why not.
pub(crate) fn retry(service: &'static str, outcome: &'static str) {
    ::metrics::counter!("rpc_retries_total", "service" => service, "outcome" => outcome).increment(1);
}

/// Installs the recorder, and serves `/metrics` on `address` until shutdown.
///
/// # Errors
/// When the address cannot be bound, or a recorder is installed already.
pub async fn serve(address: SocketAddr, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("BODEGA_ADMIN_HTTP: cannot listen on {address}"))?;
    let handle = install()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    let router = axum::Router::new().route("/metrics", axum::routing::get(async move || handle.render()));
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!("metrics server failed: {error}");
        }
    });
    Ok(())
}
