//! Calls to other services, in other processes or in this one.
//!
//! A [`Transport`] is the channel of any generated client. Each call carries the remaining time, the caller's access
//! token, the request id, the client's address and the trace, and the service token. A call to another process is retried where that is safe:
//! see [`retry`].

mod connect;
mod deadline;
mod error;
mod remote;
mod replicas;
mod retry;
mod upstream;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use tokio::time::{Instant, timeout_at};
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use self::{
    deadline::{GRPC_TIMEOUT, grpc_timeout},
    error::CallError,
    remote::Remote,
    upstream::Upstream,
};
use crate::{
    auth::{SERVICE_TOKEN, ServiceToken},
    client_address,
    context::{CallContext, REQUEST_ID},
    telemetry::{ClientSpan, ServerAddress, Trace},
    timeouts,
    tls::Tls,
};

pub(crate) use self::deadline::{deadline_exceeded, parse_grpc_timeout};
pub use self::replicas::Resolver;

/// A gRPC service of this process.
pub type Grpc = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Calls one service. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    upstream: Upstream,
    target: Target,
    service_token: Option<HeaderValue>,
    streaming: bool,
    /// Of a service in another process.
    address: Option<Arc<ServerAddress>>,
}

#[derive(Clone)]
enum Target {
    InProcess(Grpc),
    Remote(Remote),
}

impl Transport {
    /// Calls the service `name` in other processes: all replicas that the host of `uri` resolves to share the calls.
    /// Connects at the first call, and again whenever necessary.
    pub fn remote(name: &'static str, uri: Uri, service_token: &ServiceToken) -> Self {
        let resolver = Resolver::of(&uri);
        Self::remote_with(name, uri, service_token, resolver, timeouts::REPLICA_LOOKUP)
    }

    /// The same, with another source of addresses, which is asked at this interval while there are calls.
    pub fn remote_with(
        name: &'static str,
        uri: Uri,
        service_token: &ServiceToken,
        resolver: Resolver,
        interval: Duration,
    ) -> Self {
        let upstream = replicas::Upstream { name, origin: uri, tls: None };
        Self::to_replicas(upstream, service_token, resolver, interval)
    }

    /// The same as [`remote`](Self::remote), with TLS if the scheme of the URL is `https`.
    ///
    /// # Errors
    /// When the URL needs TLS, and `tls` is `None`.
    pub fn remote_tls(
        name: &'static str,
        uri: Uri,
        service_token: &ServiceToken,
        tls: Option<&Tls>,
    ) -> anyhow::Result<Self> {
        let tls = Tls::client(tls, &uri)?;
        let resolver = Resolver::of(&uri);
        let upstream = replicas::Upstream { name, origin: uri, tls };
        Ok(Self::to_replicas(upstream, service_token, resolver, timeouts::REPLICA_LOOKUP))
    }

    fn to_replicas(
        upstream: replicas::Upstream,
        service_token: &ServiceToken,
        resolver: Resolver,
        interval: Duration,
    ) -> Self {
        let address = Some(Arc::new(ServerAddress::from(&upstream.origin)));
        let name = upstream.name;
        let target = Target::Remote(Remote::new(upstream, resolver, interval));
        Self { address, ..Self::new(name, target, service_token.to_header()) }
    }

    /// Calls the service `name` in this process, without sockets or framing.
    pub fn in_process(name: &'static str, service: Grpc, service_token: &ServiceToken) -> Self {
        Self::new(name, Target::InProcess(service), service_token.to_header())
    }

    /// Calls routes in this process directly, without authentication.
    pub fn unauthenticated(routes: Routes) -> Self {
        Self::new("in-process service", Target::InProcess(BoxCloneSyncService::new(routes.prepare())), None)
    }

    fn new(name: &'static str, target: Target, service_token: Option<HeaderValue>) -> Self {
        Self { upstream: Upstream::new(name), target, service_token, streaming: false, address: None }
    }

    /// Starts the span of a call to another process. A call within this process has only the span of its server.
    fn client_span(&self, request: &Request<Body>, caller: Option<&Trace>) -> Option<ClientSpan> {
        ClientSpan::start(caller, request.uri().path(), self.address.as_deref()?)
    }

    /// Returns the same transport for streams without an end. Its calls have no deadline and are not retried.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let context = CallContext::current();
        let headers = request.headers_mut();
        if let Some(token) = &self.service_token {
            headers.insert(SERVICE_TOKEN, token.clone());
        }
        if let Some(authorization) = &context.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(id) = &context.request_id {
            headers.insert(REQUEST_ID, id.clone());
        }
        client_address::write(headers, context.client_address);
        let span = self.client_span(&request, context.trace.as_ref());
        if let Some(trace) = span.as_ref().map(|span| &span.trace).or(context.trace.as_ref()) {
            trace.inject(request.headers_mut());
        }
        if let Some(retried) = span.as_ref().and_then(ClientSpan::retried) {
            request.extensions_mut().insert(retried);
        }

        let (target, call) = (self.target.clone(), self.upstream.begin(request.uri(), span));
        if self.streaming {
            return Box::pin(async move { Ok(call.end(target.call_streaming(request).await)) });
        }
        let remaining = context.remaining(timeouts::CALL);
        Box::pin(async move {
            // The caller has given up already.
            if remaining.is_zero() {
                return Ok(deadline_exceeded("timed out").into_http());
            }
            let deadline = Instant::now() + remaining;
            let outcome = timeout_at(deadline, target.call(request, deadline)).await;
            Ok(call.end(outcome.unwrap_or(Err(CallError::DeadlineExceeded))))
        })
    }
}

impl Target {
    async fn call(self, mut request: Request<Body>, deadline: Instant) -> Result<Response<Body>, CallError> {
        match self {
            Self::InProcess(service) => {
                set_timeout(&mut request, deadline);
                Ok(service.oneshot(request).await.unwrap_or_else(|never| match never {}))
            }
            Self::Remote(remote) => remote.call(request, deadline).await,
        }
    }

    async fn call_streaming(self, request: Request<Body>) -> Result<Response<Body>, CallError> {
        match self {
            Self::InProcess(service) => {
                Ok(service.oneshot(request).await.unwrap_or_else(|never| match never {}))
            }
            Self::Remote(remote) => remote.call_streaming(request).await,
        }
    }
}

/// Sets the time that is left until the deadline.
fn set_timeout(request: &mut Request<Body>, deadline: Instant) {
    let remaining = deadline.saturating_duration_since(Instant::now());
    request.headers_mut().insert(GRPC_TIMEOUT, grpc_timeout(remaining));
}
