//! The access log, and the log of failing upstreams.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bodega_gateway::AccessLog;
use bodega_proto::{
    catalog::v1::{ListCategoriesRequest, ListCategoriesResponse},
    identity::v1::{GetProfileRequest, GetProfileResponse, User},
};
use tracing::subscriber::DefaultGuard;

use crate::test_app::{SendRequest as _, TestApp, unreachable_service};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log lines of this thread.
struct Log {
    buffer: Buffer,
    _guard: DefaultGuard,
}

impl Log {
    fn start() -> Self {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        Self { buffer, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines that contain all of `parts`.
    fn lines(&self, parts: &[&str]) -> Vec<String> {
        let bytes = self.buffer.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.map(str::to_owned).collect()
    }
}

async fn gateway(access_log: AccessLog) -> TestApp {
    let gateway = TestApp::start_with(|settings, _| settings.access_log = access_log).await;
    gateway.catalog.on("ListCategories", |_: ListCategoriesRequest| Ok(ListCategoriesResponse::default()));
    let profile = GetProfileResponse { user: Some(User::default()) };
    gateway.identity.service.on("GetProfile", move |_: GetProfileRequest| Ok(profile.clone()));
    gateway
}

/// Sends a read by a guest, a read by a user, an unknown path, a rejected request, and a health check.
async fn make_requests(gateway: &TestApp) {
    for (path, id, status) in [
        ("/api/categories?limit=5", "guest", 200),
        ("/api/users/me", "user", 200),
        ("/no/such/path", "unknown", 404),
        ("/api/orders/not-an-id", "rejected", 401),
        ("/healthz", "health", 200),
    ] {
        let mut request = gateway.get(path).header("x-request-id", id);
        if id == "user" {
            request = request.bearer_auth(gateway.identity.user());
        }
        assert_eq!(request.fetch().await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_access_log_may_contain_every_request() {
    let log = Log::start();
    make_requests(&gateway(AccessLog::All).await).await;
    for (parts, count) in [
        (
            &["method=\"GET\" route=\"/api/categories\" status=200", "duration_ms=", "request.id=\"guest\""]
                [..],
            1,
        ),
        (&["route=\"/api/users/me\" status=200", "user.id=", "request.id=\"user\""], 1),
        (&["request.id=\"guest\"", "user.id="], 0),
        (&["route=\"unknown\" status=404"], 1),
        (&["route=\"/api/orders/{id}\" status=401 code=\"unauthenticated\""], 1),
        (&["/healthz"], 0),
    ] {
        assert_eq!(log.lines(parts).len(), count, "{parts:?}: {:#?}", log.lines(&["request"]));
    }
}

#[tokio::test]
async fn the_access_log_contains_errors_by_default() {
    let log = Log::start();
    make_requests(&gateway(AccessLog::default()).await).await;
    let lines = log.lines(&["duration_ms="]);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("status=404") && lines[1].contains("status=401"), "{lines:#?}");
}

#[tokio::test]
async fn the_access_log_may_be_off() {
    let log = Log::start();
    make_requests(&gateway(AccessLog::Off).await).await;
    assert_eq!(log.lines(&["duration_ms="]), Vec::<String>::new());
}

#[tokio::test]
async fn a_failing_upstream_is_logged_by_name_with_its_error_and_not_at_each_call() {
    let log = Log::start();
    let gateway =
        TestApp::start_with(|_, upstreams| upstreams.catalog = unreachable_service("catalog")).await;
    for _ in 0..3 {
        gateway.get("/api/categories").fetch().await.problem(503, "upstream_unavailable");
    }
    let lines = log.lines(&["WARN", "catalog failed: cannot connect", "refused", "upstream=\"catalog\""]);
    assert_eq!(lines.len(), 1, "{:#?}", log.lines(&["catalog"]));
}
