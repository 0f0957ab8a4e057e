//! The gRPC server of a service: authentication and deadline of each call, health checks, background workers and shutdown.

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use axum::middleware::map_request;
use bytes::Buf;
use futures_util::FutureExt as _;
use http::{Request, Response, header::AUTHORIZATION};
use http_body_util::BodyExt as _;
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Status, body::Body, service::Routes};
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use tracing::{Instrument as _, info, warn};

use crate::{
    activity::Activity,
    auth::{Caller, SERVICE_TOKEN, ServiceToken, Verifier},
    client_address,
    context::{CallContext, REQUEST_ID},
    database::Pool,
    health::{DatabaseWatch, Health},
    listener::{Listener, incoming, tls_incoming},
    metrics::{self, RpcInFlight},
    status,
    telemetry::{self, RequestSpan, Trace},
    timeouts,
    transport::{Grpc, Transport, deadline_exceeded, parse_grpc_timeout},
};

/// More of the body of a rejected call is not read: the initial window of a stream.
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// Authenticates the calls to a service.
#[derive(Clone)]
pub struct AuthLayer {
    /// The secret that all processes share.
    pub service_token: ServiceToken,
    /// Verifies the access tokens of calls.
    pub verifier: Verifier,
}

/// A running service: its routes and its background tasks.
pub struct Service {
    name: &'static str,
    routes: Routes,
    tasks: TaskTracker,
    activity: Activity,
    /// Whether the database responds.
    is_ready: watch::Receiver<bool>,
    /// Fires when the service is no longer ready because it is about to stop.
    draining: CancellationToken,
    shutdown: CancellationToken,
}

impl Service {
    /// Creates a service of these routes, with health checks and reflection. It is ready while the database of `db` responds.
    pub async fn new(name: &'static str, routes: Routes, db: Pool, shutdown: CancellationToken) -> Self {
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = routes.add_service(health);
        match reflection() {
            Ok(reflection) => routes = routes.add_service(reflection),
            Err(error) => warn!("gRPC reflection is off: {error}"),
        }
        let database = DatabaseWatch::start(db, reporter).await;
        let (is_ready, draining) = (database.is_ready(), shutdown.child_token());
        let tasks = TaskTracker::new();
        tasks.spawn(database.run(draining.clone()));
        Self { name, routes, tasks, activity: Activity::default(), is_ready, draining, shutdown }
    }

    /// Makes the readiness of this service that of its process. The service is not ready from when the process drains.
    #[must_use]
    pub fn report_to(self, health: &Health) -> Self {
        let is_ready = self.is_ready.clone();
        health.set_check(move || future::ready(*is_ready.borrow()));
        let (health, draining) = (health.clone(), self.draining.clone());
        tokio::spawn(async move {
            health.draining().await;
            draining.cancel();
        });
        self
    }

    /// Runs a background task until shutdown, which drops the task at its next await.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(self.activity.clone().scope(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = work => {}
            }
        }));
    }

    /// Returns the routes without authentication, for the service itself and for tests.
    pub fn routes(&self) -> Routes {
        let activity = self.activity.clone();
        let notify = map_request(move |request: Request<axum::body::Body>| {
            activity.notify();
            std::future::ready(request)
        });
        self.routes.clone().into_axum_router().layer(notify).into()
    }

    /// Returns a transport to this service for the other services in this process.
    pub fn transport(&self, auth: &AuthLayer) -> Transport {
        let service = authenticated(self.name, self.routes.clone(), auth, &self.activity);
        Transport::in_process(self.name, service, &auth.service_token)
    }

    /// Serves until shutdown, then waits up to [`timeouts::SHUTDOWN`] for open calls and background tasks.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, auth: &AuthLayer, listener: impl Into<Listener>) -> anyhow::Result<()> {
        let Listener { tcp, tls } = listener.into();
        let security = if tls.is_some() { " with TLS" } else { "" };
        info!("{} listening on {}{security}", self.name, tcp.local_addr()?);
        let shutdown = self.shutdown.clone();
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(timeouts::SHUTDOWN))
            // Without a grace period: tonic 0.14 closes the connection after it, but announces nothing before. A stream
            // without an end keeps the old connection, and other calls use a new one.
            .max_connection_age(timeouts::CONNECTION_AGE.mul_f64(rand::random_range(0.9..=1.1)));
        let routes = authenticated(self.name, self.routes.clone(), auth, &self.activity);
        let signal = shutdown.clone().cancelled_owned();
        let server = async move {
            match tls {
                None => server.serve_with_incoming_shutdown(routes, incoming(tcp), signal).await,
                Some(tls) => {
                    server.serve_with_incoming_shutdown(routes, tls_incoming(tcp, tls), signal).await
                }
            }
        };
        let shutdown_timeout = async {
            shutdown.cancelled().await;
            tokio::time::sleep(timeouts::SHUTDOWN).await;
        };
        tokio::select! {
            served = server => served?,
            () = shutdown_timeout => warn!("shutdown deadline exceeded, {} aborts its open calls", self.name),
        }
        self.stop().await;
        Ok(())
    }

    /// Shuts the background tasks down and waits for them.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(timeouts::SHUTDOWN, self.tasks.wait()).await.is_err() {
            warn!("shutdown deadline exceeded, {} aborts its background tasks", self.name);
        }
    }
}

fn reflection() -> Result<
    tonic_reflection::server::v1::ServerReflectionServer<impl tonic_reflection::server::v1::ServerReflection>,
    tonic_reflection::server::Error,
> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(bodega_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
}

/// Returns the routes behind authentication.
fn authenticated(name: &'static str, routes: Routes, auth: &AuthLayer, activity: &Activity) -> Grpc {
    let routes = routes.prepare();
    let (auth, activity) = (Arc::new(auth.clone()), activity.clone());
    let in_flight = RpcInFlight::server(name);
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        if !is_public(request.uri().path()) {
            activity.notify();
        }
        let (auth, routes) = (auth.clone(), routes.clone());
        let span = telemetry::rpc_span(request.uri().path(), request.headers());
        let log = span.log.clone();
        let in_flight = in_flight.enter();
        let work = async move {
            let response = handle(name, &auth, routes, request, span).await;
            drop(in_flight);
            response
        };
        let work = work.instrument(log);
        // A panic is an internal error of this call: it must not end the process, or the caller in the same process.
        std::panic::AssertUnwindSafe(work).catch_unwind().map(|outcome| {
            Ok::<_, Infallible>(
                outcome.unwrap_or_else(|_| status::internal("a handler panicked").into_http()),
            )
        })
    }))
}

async fn handle(
    name: &'static str,
    auth: &AuthLayer,
    routes: Routes,
    request: Request<Body>,
    span: RequestSpan,
) -> Response<Body> {
    let started = Instant::now();
    let uri = request.uri().clone();
    let mut request = request;
    let response = match authenticate(auth, &mut request, span.trace.clone()).await {
        Ok((context, timeout)) => {
            let response = context.scope(routes.oneshot(request));
            let deadline = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep(timeout).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                // The deadline first: a process that was frozen beyond it must not continue a call that its caller has given
                // up, and may have made again.
                biased;
                () = deadline => deadline_exceeded("timed out").into_http(),
                response = response => response.unwrap_or_else(|never| match never {}),
            }
        }
        Err(status) => {
            drain(request.into_body()).await;
            status.into_http()
        }
    };
    // An error is in the headers: a status in the trailers belongs to a call that has succeeded so far.
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    metrics::rpc_server(name, uri.path(), code, started.elapsed());
    span.end_rpc(code);
    response
}

/// Reads the body of a rejected call, within limits: a stream whose response ends before its request is reset, and its client
/// might not read the status.
async fn drain(mut body: Body) {
    let mut left = MAX_DRAINED_BYTES;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Buf::remaining)) else { return };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(timeouts::DRAIN_REJECTED, read).await;
}

/// Authenticates a call: adds the caller to the request. Returns the context of the call and its remaining time.
async fn authenticate(
    auth: &AuthLayer,
    request: &mut Request<Body>,
    trace: Trace,
) -> Result<(CallContext, Option<Duration>), Status> {
    request.extensions_mut().remove::<Caller>();
    let headers = request.headers();
    let timeout = headers.get("grpc-timeout").and_then(parse_grpc_timeout);
    let mut context = CallContext {
        deadline: timeout.map(|timeout| Instant::now() + timeout),
        authorization: None,
        request_id: headers.get(REQUEST_ID).cloned(),
        client_address: None,
        trace: Some(trace),
    };
    if is_public(request.uri().path()) {
        return Ok((context, timeout));
    }

    if !headers.get(SERVICE_TOKEN).is_some_and(|token| auth.service_token.matches(token)) {
        let message = "a valid service token is required";
        return Err(status::rejected(Code::Unauthenticated, "service_token_required", message));
    }
    context.client_address = client_address::read(headers);
    if let Some(authorization) = headers.get(AUTHORIZATION).cloned() {
        let token = authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let caller = auth.verifier.verify(token.unwrap_or_default()).await?;
        context.authorization = Some(authorization);
        request.extensions_mut().insert(caller);
    }
    Ok((context, timeout))
}

/// Health checks and reflection need no token: they reveal only the API and whether the service is healthy.
fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/") || path.starts_with("/grpc.reflection.")
}
