//! One way to call a neighbour, whether it is another process or lives in this one.
//!
//! A [`Transport`] goes into any generated client. With every call it hands on what is left of the deadline, the
//! caller's access token, the request's id and the trace, and shows the neighbour our service token. A call to another
//! process is made again where that cannot do harm: see [`repeat`].

mod connect;
mod deadline;
mod error;
mod remote;
mod retry;

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use tokio::time::{Instant, timeout_at};
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use self::{
    deadline::{GRPC_TIMEOUT, grpc_timeout},
    remote::Remote,
};
use crate::{
    auth::{SERVICE_TOKEN, ServiceToken},
    context::{CallContext, REQUEST_ID},
    telemetry, timeouts,
};

pub(crate) use self::deadline::{deadline_exceeded, parse_grpc_timeout};

/// A gRPC service of this process.
pub type Grpc = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The way to a neighbour. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    target: Target,
    service_token: Option<HeaderValue>,
    streaming: bool,
}

#[derive(Clone)]
enum Target {
    /// In this process.
    InProcess(Grpc),
    /// In another one.
    Remote(Remote),
}

impl Transport {
    /// To another process. Connects when it is first used, and again whenever it has to.
    pub fn remote(uri: Uri, service_token: &ServiceToken) -> Self {
        Self {
            target: Target::Remote(Remote::new(uri)),
            service_token: service_token.to_header(),
            streaming: false,
        }
    }

    /// Straight into a service of this process: no socket, no encoding of frames.
    pub fn in_process(service: Grpc, service_token: &ServiceToken) -> Self {
        Self {
            target: Target::InProcess(service),
            service_token: service_token.to_header(),
            streaming: false,
        }
    }

    /// Straight into bare routes, past every check of who calls.
    pub fn unauthenticated(routes: Routes) -> Self {
        let service = BoxCloneSyncService::new(routes.prepare());
        Self { target: Target::InProcess(service), service_token: None, streaming: false }
    }

    /// The same way, for streams that go on for as long as both ends live. Calls on it have no deadline, and are made
    /// once.
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
        telemetry::inject(headers);

        let target = self.target.clone();
        if self.streaming {
            return Box::pin(target.call_streaming(request));
        }
        let remaining = context.remaining(timeouts::CALL);
        Box::pin(async move {
            // Whoever asked has gone: there is nobody to do it for.
            if remaining.is_zero() {
                return Ok(deadline_exceeded().into_http());
            }
            let deadline = Instant::now() + remaining;
            match timeout_at(deadline, target.call(request, deadline)).await {
                Ok(answer) => answer,
                Err(_) => Ok(deadline_exceeded().into_http()),
            }
        })
    }
}

impl Target {
    async fn call(self, mut request: Request<Body>, deadline: Instant) -> Result<Response<Body>, Infallible> {
        match self {
            Self::InProcess(service) => {
                set_timeout(&mut request, deadline);
                service.oneshot(request).await
            }
            Self::Remote(neighbour) => Ok(neighbour.call(request, deadline).await),
        }
    }

    async fn call_streaming(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        match self {
            Self::InProcess(service) => service.oneshot(request).await,
            Self::Remote(neighbour) => Ok(neighbour.call_once(request).await),
        }
    }
}

/// Tells the neighbour what is left until the deadline, now.
fn set_timeout(request: &mut Request<Body>, deadline: Instant) {
    let remaining = deadline.saturating_duration_since(Instant::now());
    request.headers_mut().insert(GRPC_TIMEOUT, grpc_timeout(remaining));
}
