//! The API: reads a call, and answers it unless a fault is in the way.

mod auth;
mod command;
mod error;
mod execute;
mod idempotency;
mod params;
mod reply;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use tokio::time::sleep;

use self::{
    auth::Caller,
    command::{Command, Route},
    params::Params,
    reply::Reply,
};
pub(crate) use self::{error::Error, idempotency::Keys};
use crate::{double::Shared, events::Origin, faults::Fault, id, inspect::Call};

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An intent is made.
    Create,
    /// An intent is tried to be paid.
    Confirm,
    /// An intent is cancelled.
    Cancel,
    /// A refund is made.
    Refund,
    /// Anything is read.
    Retrieve,
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");

/// A call that may be made.
struct Accepted<'a> {
    route: Route<'a>,
    caller: Caller,
    params: Params,
    path: &'a str,
    request_id: &'a str,
    /// Its idempotency key, when it is a call that may have one.
    key: Option<&'a str>,
    faults: Vec<Fault>,
}

/// Answers a call; `None` when the connection is to be closed instead.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Bytes>) -> Option<Response<String>> {
    let request_id = format!("req_{}", id::random(14));
    let echoed = [IDEMPOTENCY_KEY, STRIPE_VERSION];
    let echoed = echoed.map(|name| request.headers().get(&name).map(|value| (name, value.clone())));
    let reply = match accept(&shared, &request, &request_id) {
        Err(error) => Reply::new(Err(error), &request_id),
        Ok(call) if call.faults.contains(&Fault::DropBefore) => return None,
        Ok(call) => {
            let reply = perform(&shared, &call).await;
            let reply = reply.unwrap_or_else(|error| Reply::new(Err(error), &request_id));
            for fault in &call.faults {
                match fault {
                    Fault::DropAfter => return None,
                    Fault::DelayAfter(delay) => sleep(*delay).await,
                    _ => {}
                }
            }
            reply
        }
    };
    Some(reply.into_response(&request_id, echoed.into_iter().flatten().collect()))
}

/// Lets a call in.
///
/// # Errors
/// When it has no good key, or goes nowhere.
fn accept<'a>(
    shared: &Shared,
    request: &'a Request<Bytes>,
    request_id: &'a str,
) -> Result<Accepted<'a>, Error> {
    let (method, path) = (request.method(), request.uri().path());
    let header = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let params = Params::read(request)?;
    let caller = Caller::of(request.headers(), &params, &shared.options)?;
    let route = Route::of(method, path)?;
    let operation = route.operation();
    let key = header(IDEMPOTENCY_KEY).filter(|_| *method == Method::POST);
    let mut state = shared.lock();
    state.calls.push(Call {
        operation,
        path: path.to_owned(),
        idempotency_key: key.map(str::to_owned),
        version: header(STRIPE_VERSION).map(str::to_owned),
    });
    let faults = state.faults.draw(operation);
    Ok(Accepted { route, caller, params, path, request_id, key, faults })
}

/// Carries a call out, or answers what it was answered before.
///
/// # Errors
/// When it is refused before anything is done: this is not kept under its key.
async fn perform(shared: &Arc<Shared>, call: &Accepted<'_>) -> Result<Reply, Error> {
    if call.faults.contains(&Fault::RateLimited) {
        return Err(Error::rate_limited());
    }
    let command = Command::read(&call.route, call.caller, &call.params)?;
    let expand = call.params.expand()?;
    if let Some(key) = call.key {
        let kept = shared.lock().keys.begin(key, call.path, &call.params.fingerprint())?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
    }
    for fault in &call.faults {
        if let Fault::DelayBefore(delay) = fault {
            sleep(*delay).await;
        }
    }
    let mut state = shared.lock();
    let mut result = match call.faults.contains(&Fault::ErrorBefore) {
        true => Err(Error::internal()),
        false => state.ledger.execute(command, &expand, &shared.options),
    };
    if call.faults.contains(&Fault::ErrorAfter) {
        result = Err(Error::internal());
    }
    let reply = Reply::new(result, call.request_id);
    if let Some(key) = call.key {
        state.keys.finish(key, &reply);
    }
    shared.tell(&mut state, Origin::Call { request_id: call.request_id, key: call.key });
    Ok(reply)
}
