//! The API: decodes requests, injects faults and builds responses.

mod auth;
mod command;
mod execute;
mod params;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use tokio::time::sleep;

use self::{
    auth::Caller,
    command::{Command, Route},
    params::Params,
};
use crate::{
    call::Call, error::Error, events::Origin, faults::Fault, id, response::ApiResponse, state::Shared,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");

/// An authenticated request to a known route.
struct Accepted<'a> {
    route: Route<'a>,
    caller: Caller,
    params: Params,
    path: &'a str,
    request_id: &'a str,
    /// The idempotency key; only of `POST` requests.
    key: Option<&'a str>,
    faults: Vec<Fault>,
}

/// Returns the response, or `None` to close the connection without one.
pub(crate) async fn respond(shared: Arc<Shared>, request: Request<Bytes>) -> Option<Response<String>> {
    let request_id = format!("req_{}", id::random(14));
    let echoed = [IDEMPOTENCY_KEY, STRIPE_VERSION];
    let echoed = echoed.map(|name| request.headers().get(&name).map(|value| (name, value.clone())));
    let response = match accept(&shared, &request, &request_id) {
        Err(error) => ApiResponse::new(Err(error), &request_id),
        Ok(call) if call.faults.contains(&Fault::DropBefore) => return None,
        Ok(call) => {
            let response = execute(&shared, &call).await;
            let response = response.unwrap_or_else(|error| ApiResponse::new(Err(error), &request_id));
            for fault in &call.faults {
                match fault {
                    Fault::DropAfter => return None,
                    Fault::DelayAfter(delay) => sleep(*delay).await,
                    _ => {}
                }
            }
            response
        }
    };
    Some(response.into_response(&request_id, echoed.into_iter().flatten().collect()))
}

/// Authenticates a request, finds its route and selects its faults.
///
/// # Errors
/// When the key or the route is unknown.
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

/// Executes a request, or returns its stored response.
///
/// # Errors
/// When it is rejected before it executes; such a response is not stored under the idempotency key.
async fn execute(shared: &Arc<Shared>, call: &Accepted<'_>) -> Result<ApiResponse, Error> {
    if call.faults.contains(&Fault::RateLimited) {
        return Err(Error::rate_limited());
    }
    if call.faults.contains(&Fault::OtherAccount) {
        return Err(Error::no_such("object", call.path, "id"));
    }
    let command = Command::read(&call.route, call.caller, &call.params)?;
    let expand = call.params.expand()?;
    if let Some(key) = call.key {
        let stored = shared.lock().idempotency_keys.begin(key, call.path, &call.params.fingerprint())?;
        if let Some(stored) = stored {
            return Ok(stored);
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
    let response = ApiResponse::new(result, call.request_id);
    if let Some(key) = call.key {
        state.idempotency_keys.finish(key, &response);
    }
    shared.record_events(&mut state, Origin::Request { request_id: call.request_id, key: call.key });
    Ok(response)
}
