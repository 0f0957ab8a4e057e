//! One way to call a neighbour, whether it is another process or lives in this one.
//!
//! A [`Transport`] goes into any generated client. With every call it hands on what is left of the deadline, the
//! caller's access token, the request's id and the trace, and shows the neighbour our service token.

use std::{
    convert::Infallible,
    error::Error,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use tonic::{
    Code, Status, TimeoutExpired,
    body::Body,
    service::Routes,
    transport::{Channel, Endpoint},
};
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use crate::{
    auth::{SERVICE_TOKEN, ServiceToken},
    context::{CallContext, REQUEST_ID},
    status, telemetry,
};

/// A call that nobody set a deadline for ends after this time.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A gRPC service: here, or at the other end of a channel.
pub type Grpc = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The way to a neighbour. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    service: Grpc,
    service_token: Option<HeaderValue>,
    endless: bool,
}

impl Transport {
    /// To another process. Connects when it is first used, and again whenever it has to.
    pub fn remote(uri: Uri, service_token: &ServiceToken) -> Self {
        let channel = Endpoint::from(uri)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(KEEPALIVE))
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .connect_lazy();
        Self {
            service: BoxCloneSyncService::new(tower::service_fn(move |request| {
                call_remote(channel.clone(), request)
            })),
            service_token: service_token.to_header(),
            endless: false,
        }
    }

    /// Straight into a service of this process: no socket, no encoding of frames.
    pub fn in_process(service: Grpc, service_token: &ServiceToken) -> Self {
        Self { service, service_token: service_token.to_header(), endless: false }
    }

    /// Straight into bare routes, past every check of who calls.
    pub fn unguarded(routes: Routes) -> Self {
        Self { service: BoxCloneSyncService::new(routes.prepare()), service_token: None, endless: false }
    }

    /// The same way, for streams that go on for as long as both ends live.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self
    }
}

async fn call_remote(channel: Channel, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(channel.oneshot(request).await.unwrap_or_else(|cause| {
        if is_timeout(&cause) {
            return deadline_exceeded().into_http();
        }
        // Whoever asked says what could not be done for it; at each call it would be the same line again.
        tracing::debug!("cannot reach a neighbour: {cause:?}");
        status::unavailable("a service is unavailable", Duration::from_secs(1)).into_http()
    }))
}

/// Whether the channel gave a call up, seeing its `grpc-timeout` before we did.
fn is_timeout(cause: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(cause), |&cause| cause.source()).any(|cause| cause.is::<TimeoutExpired>())
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

        let service = self.service.clone();
        if self.endless {
            return Box::pin(service.oneshot(request));
        }
        let remaining = context.remaining(DEFAULT_DEADLINE);
        headers.insert("grpc-timeout", grpc_timeout(remaining));
        Box::pin(async move {
            match tokio::time::timeout(remaining, service.oneshot(request)).await {
                Ok(answer) => answer,
                Err(_) => Ok(deadline_exceeded().into_http()),
            }
        })
    }
}

/// The answer when the time is up.
pub(crate) fn deadline_exceeded() -> Status {
    status::busy(Code::DeadlineExceeded, "deadline_exceeded", "took too long", Duration::from_secs(1))
}

/// As gRPC over HTTP/2 wants it: at most eight digits and a unit.
fn grpc_timeout(remaining: Duration) -> HeaderValue {
    let milliseconds = remaining.as_millis().clamp(1, 99_999_999);
    HeaderValue::try_from(format!("{milliseconds}m")).unwrap_or(HeaderValue::from_static("1m"))
}

/// The time an inbound `grpc-timeout` leaves. `None` where there is none, or none that can be read.
pub(crate) fn parse_grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_survives_the_wire() {
        for timeout in [Duration::from_millis(1), Duration::from_millis(2_500), Duration::from_secs(86_400)] {
            assert_eq!(parse_grpc_timeout(&grpc_timeout(timeout)), Some(timeout));
        }
    }

    #[test]
    fn what_is_no_timeout_is_none() {
        for text in ["", "5", "m", "-5m", "999999999m", "5x", "+5m"] {
            assert_eq!(parse_grpc_timeout(&HeaderValue::from_static(text)), None, "{text}");
        }
    }
}
