//! Rate, errors and duration of requests and calls.

use std::{
    cell::RefCell, collections::HashMap, hash::Hash, sync::LazyLock, thread::LocalKey, time::Duration,
};

use ::metrics::{
    Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use http::StatusCode;
use tonic::Code;

use super::recorder::{InFlight, is_enabled};

/// The histograms of one metric, by a key and by a text that is one of few. Each thread has its own, without a lock.
type Histograms<K> = RefCell<HashMap<K, HashMap<Box<str>, Histogram>>>;

thread_local! {
    static REQUESTS: Histograms<(&'static str, StatusCode)> = RefCell::default();
    static SERVED: Histograms<(&'static str, Code)> = RefCell::default();
    static CALLED: Histograms<(&'static str, Code)> = RefCell::default();
}

pub(super) fn describe() {
    describe_histogram!(
        "http_server_duration_seconds",
        Unit::Seconds,
        "Time from the head of a request to the head of its response, by method, route and status."
    );
    describe_gauge!("http_server_in_flight", "Requests whose response has not started.");
    describe_histogram!(
        "rpc_server_duration_seconds",
        Unit::Seconds,
        "Time that this process took for a call that it served, by service, method and code."
    );
    describe_gauge!("rpc_server_in_flight", "Calls that are being served, by service.");
    describe_histogram!(
        "rpc_client_duration_seconds",
        Unit::Seconds,
        "Time that a call to a service took, with its retries, by service, method and code."
    );
    describe_gauge!("rpc_client_in_flight", "Calls to a service that have no response yet, by service.");
    describe_counter!(
        "rpc_retries_total",
        "Failed attempts of calls, by service, and by what followed: retried, or why not."
    );
    describe_gauge!("rpc_client_replicas", "Replicas of a service that this process calls, by state.");
}

/// Records a response to an HTTP request. `route` is the template, since clients choose the path.
pub fn http(method: &'static str, route: &str, status: StatusCode, duration: Duration) {
    record(&REQUESTS, (method, status), route, duration, || {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        histogram!("http_server_duration_seconds", &labels)
    });
}

/// Counts an HTTP request as in flight until the result is dropped.
pub fn http_in_flight() -> InFlight {
    static REQUESTS: LazyLock<Gauge> = LazyLock::new(|| gauge!("http_server_in_flight"));
    InFlight::new(&REQUESTS)
}

/// Records a call that `service` has served.
pub(crate) fn rpc_server(service: &'static str, path: &str, code: Code, duration: Duration) {
    let method = method_label(path, code);
    record(&SERVED, (service, code), method, duration, || {
        histogram!("rpc_server_duration_seconds", &rpc_labels(service, method, code))
    });
}

/// Records a call to `service`, with its retries.
pub(crate) fn rpc_client(service: &'static str, path: &str, code: Code, duration: Duration) {
    let method = method_label(path, code);
    record(&CALLED, (service, code), method, duration, || {
        histogram!("rpc_client_duration_seconds", &rpc_labels(service, method, code))
    });
}

fn rpc_labels(service: &'static str, method: &str, code: Code) -> [(&'static str, String); 3] {
    [("service", service.to_owned()), ("method", method.to_owned()), ("code", format!("{code:?}"))]
}

/// Returns the path of a method that exists. Callers choose the path, and an unknown one must not create a time series; only
/// a known one succeeds.
fn method_label(path: &str, code: Code) -> &str {
    if code == Code::Ok || is_known(path) { path } else { "unknown" }
}

/// Returns whether a service may have this method. Health checks and reflection are not of our API.
fn is_known(path: &str) -> bool {
    const OTHERS: [&str; 3] = [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ];
    bodega_proto::method(path).is_some() || OTHERS.contains(&path)
}

/// The gauges of calls in flight of one service, which this process serves or calls.
#[derive(Clone)]
pub(crate) struct RpcInFlight(Gauge);

impl RpcInFlight {
    pub(crate) fn server(service: &'static str) -> Self {
        Self(gauge!("rpc_server_in_flight", "service" => service))
    }

    pub(crate) fn client(service: &'static str) -> Self {
        Self(gauge!("rpc_client_in_flight", "service" => service))
    }

    pub(crate) fn enter(&self) -> InFlight {
        InFlight::new(&self.0)
    }
}

/// Records a duration in the histogram of `key` and `text`, which is looked up in the recorder only once.
fn record<K: Eq + Hash>(
    histograms: &'static LocalKey<Histograms<K>>,
    key: K,
    text: &str,
    duration: Duration,
    histogram: impl FnOnce() -> Histogram,
) {
    if !is_enabled() {
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
    counter!("rpc_retries_total", "service" => service, "outcome" => outcome).increment(1);
}

/// Sets the number of replicas of an upstream by state.
pub(crate) fn replicas(service: &'static str, up: usize, down: usize) {
    for (state, count) in [("up", up), ("down", down)] {
        let gauge = gauge!("rpc_client_replicas", "service" => service, "state" => state);
        gauge.set(u32::try_from(count).unwrap_or(u32::MAX));
    }
}
