//! Serving: what every call passes before it reaches a service, and how a service starts and stops.

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use http::{Request, Response, header::AUTHORIZATION};
use sqlx::PgPool;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Code, Status, body::Body, service::Routes, transport::server::TcpIncoming};
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use tracing::{Instrument as _, info, warn};

use crate::{
    auth::{Caller, SERVICE_TOKEN, ServiceToken, Verifier},
    context::{CallContext, REQUEST_ID},
    metrics, status, telemetry, timeouts,
    transport::{Grpc, Transport, deadline_exceeded, parse_grpc_timeout},
};

/// What a service asks of whoever calls it.
#[derive(Clone)]
pub struct AuthLayer {
    /// The secret of the store's processes.
    pub service_token: ServiceToken,
    /// Verifies the access tokens that calls are made with.
    pub verifier: Verifier,
}

/// A service that has been started: its routes, and the loops that run beside them.
pub struct Service {
    name: &'static str,
    routes: Routes,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Service {
    /// A service of these routes, with health and reflection added. It counts as healthy while `db` answers.
    pub async fn new(name: &'static str, routes: Routes, db: PgPool, shutdown: CancellationToken) -> Self {
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut routes = routes.add_service(health);
        match reflection() {
            Ok(reflection) => routes = routes.add_service(reflection),
            Err(cause) => warn!("no reflection: {cause}"),
        }
        let service = Self { name, routes, tasks: TaskTracker::new(), shutdown };
        report_health(&reporter, &db).await;
        service.spawn(watch_health(reporter, db));
        service
    }

    /// Runs a loop beside the service until the shutdown; it is dropped at its next await then.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// The bare routes, without any check of who calls; for tests and for the service's own use.
    pub fn routes(&self) -> Routes {
        self.routes.clone()
    }

    /// The way to this service for the others in this process.
    pub fn transport(&self, guard: &AuthLayer) -> Transport {
        Transport::in_process(guarded(self.name, self.routes.clone(), guard), &guard.service_token)
    }

    /// Serves until the shutdown, then lets open calls and loops finish, for a while.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, guard: &AuthLayer, listener: TcpListener) -> anyhow::Result<()> {
        info!("{} listens on {}", self.name, listener.local_addr()?);
        let shutdown = self.shutdown.clone();
        // An answer goes out in pieces: none waits for the acknowledgement of the one before. The server's own setting of
        // that name is for listeners that it has made itself.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(timeouts::SHUTDOWN))
            .serve_with_incoming_shutdown(
                guarded(self.name, self.routes.clone(), guard),
                incoming,
                shutdown.clone().cancelled_owned(),
            );
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(timeouts::SHUTDOWN).await;
        };
        tokio::select! {
            served = server => served?,
            () = overdue => warn!("{} left with calls still open", self.name),
        }
        self.stop().await;
        Ok(())
    }

    /// Waits for the loops, after the shutdown.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(timeouts::SHUTDOWN, self.tasks.wait()).await.is_err() {
            warn!("{} left with work still running", self.name);
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

async fn watch_health(reporter: HealthReporter, db: PgPool) {
    loop {
        tokio::time::sleep(timeouts::HEALTH_CHECK_INTERVAL).await;
        report_health(&reporter, &db).await;
    }
}

async fn report_health(reporter: &HealthReporter, db: &PgPool) {
    let answer = tokio::time::timeout(timeouts::HEALTH_CHECK, sqlx::query("select 1").execute(db)).await;
    let status = if matches!(answer, Ok(Ok(_))) { ServingStatus::Serving } else { ServingStatus::NotServing };
    reporter.set_service_status("", status).await;
}

/// The routes behind the guard.
fn guarded(name: &'static str, routes: Routes, guard: &AuthLayer) -> Grpc {
    let routes = routes.prepare();
    let guard = Arc::new(guard.clone());
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let (guard, routes) = (guard.clone(), routes.clone());
        let span = telemetry::request_span("grpc", request.uri().path(), request.headers());
        let work = async move { handle(name, &guard, routes, request).await }.instrument(span);
        // A panic is an internal error of this call, not the end of the process or of the neighbour's call.
        std::panic::AssertUnwindSafe(work).catch_unwind().map(|outcome| {
            Ok::<_, Infallible>(
                outcome.unwrap_or_else(|_| status::internal("a handler panicked").into_http()),
            )
        })
    }))
}

async fn handle(
    name: &'static str,
    guard: &AuthLayer,
    routes: Routes,
    request: Request<Body>,
) -> Response<Body> {
    let started = Instant::now();
    let path = request.uri().path().to_owned();
    let response = match admit(guard, request).await {
        Ok((request, context, timeout)) => {
            let answer = context.scope(routes.oneshot(request));
            let late = async {
                match timeout {
                    Some(timeout) => tokio::time::sleep(timeout).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                // In this order: a process that was frozen beyond the deadline must not go on with what its caller has
                // given up, and may have asked for again.
                biased;
                () = late => deadline_exceeded().into_http(),
                answer = answer => answer.unwrap_or_else(|never| match never {}),
            }
        }
        Err(status) => status.into_http(),
    };
    // A refusal is in the headers already; what ends in trailers went well so far.
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    metrics::rpc(name, &path, code, started.elapsed());
    response
}

/// Checks who calls, and makes the context that the call is served in.
async fn admit(
    guard: &AuthLayer,
    mut request: Request<Body>,
) -> Result<(Request<Body>, CallContext, Option<Duration>), Status> {
    request.extensions_mut().remove::<Caller>();
    let headers = request.headers();
    let timeout = headers.get("grpc-timeout").and_then(parse_grpc_timeout);
    let mut context = CallContext {
        deadline: timeout.map(|timeout| Instant::now() + timeout),
        authorization: None,
        request_id: headers.get(REQUEST_ID).cloned(),
    };
    if is_public(request.uri().path()) {
        return Ok((request, context, timeout));
    }

    if !headers.get(SERVICE_TOKEN).is_some_and(|shown| guard.service_token.matches(shown)) {
        let message = "only the store's own processes may call this";
        return Err(status::rejected(Code::Unauthenticated, "service_token_required", message));
    }
    if let Some(authorization) = headers.get(AUTHORIZATION).cloned() {
        let token = authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let caller = guard.verifier.verify(token.unwrap_or_default()).await?;
        context.authorization = Some(authorization);
        request.extensions_mut().insert(caller);
    }
    Ok((request, context, timeout))
}

/// Probes and tools ask without a token; they learn nothing but the schema and whether we are up.
fn is_public(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/") || path.starts_with("/grpc.reflection.")
}
