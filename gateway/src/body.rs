//! Reads the body of a request, before the request gets a permit: a client that sends slowly must not occupy one.

use std::{
    collections::HashMap,
    error::Error as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
};
use bodega_runtime::client_address::ClientNetwork;
use futures_util::FutureExt as _;
use http_body::Body as _;
use http_body_util::LengthLimitError;
use tokio::time::timeout;

use crate::problem::Problem;

/// Bytes for all bodies that have not arrived completely.
const MEMORY: usize = 64 * 1024 * 1024;
/// A client may use one in this number of them.
const CLIENTS: usize = 4;

/// Reads bodies of a limited size within a limited time.
pub(crate) struct BodyReader {
    limit: usize,
    timeout: Duration,
    incomplete: IncompleteBodies,
}

/// The bodies that are not complete yet. Their size is limited, and that of each client.
#[derive(Clone, Default)]
pub(crate) struct IncompleteBodies(Arc<Mutex<Reserved>>);

/// The bytes that are reserved for them.
#[derive(Default)]
struct Reserved {
    total: usize,
    clients: HashMap<Option<ClientNetwork>, usize>,
}

impl BodyReader {
    /// Reads bodies of up to `limit` bytes, each within `timeout`.
    pub(crate) fn new(limit: usize, timeout: Duration, incomplete: IncompleteBodies) -> Self {
        Self { limit, timeout, incomplete }
    }

    /// Replaces the body of a request by its bytes.
    ///
    /// # Errors
    /// 413 for a body over the limit, at once if its length is known; 408 when it does not arrive in time; 503 when the client
    /// sends too many bodies at once; 400 when it is incomplete.
    pub(crate) async fn read(
        &self,
        request: Request,
        client: Option<ClientNetwork>,
    ) -> Result<Request, Problem> {
        let (head, body) = request.into_parts();
        let length = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(Problem::too_large());
        }
        let mut read = Box::pin(to_bytes(body, self.limit));
        // Most bodies arrive together with the head.
        let bytes = match read.as_mut().now_or_never() {
            Some(bytes) => bytes,
            None => {
                let reserved = self.incomplete.reserve(client, self.limit);
                let _reserved = reserved.ok_or_else(Problem::overloaded)?;
                let bytes = timeout(self.timeout, read).await;
                bytes.map_err(|_| Problem::too_slow("the request body did not arrive in time"))?
            }
        };
        let bytes = bytes.map_err(|error| match error.source() {
            Some(source) if source.is::<LengthLimitError>() => Problem::too_large(),
            _ => Problem::malformed("body", "is incomplete"),
        })?;
        Ok(Request::from_parts(head, Body::from(bytes)))
    }
}

impl IncompleteBodies {
    /// Reserves `bytes` until the result is dropped. Returns `None` if there are too few. A client may always send one body.
    fn reserve(&self, client: Option<ClientNetwork>, bytes: usize) -> Option<Reservation> {
        let mut reserved = self.lock();
        let of_client = reserved.clients.get(&client).copied().unwrap_or(0);
        if of_client > 0 && (of_client + bytes > MEMORY / CLIENTS || reserved.total + bytes > MEMORY) {
            return None;
        }
        reserved.total += bytes;
        reserved.clients.insert(client, of_client + bytes);
        Some(Reservation { bodies: self.clone(), client, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, Reserved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a body that is not complete yet.
struct Reservation {
    bodies: IncompleteBodies,
    client: Option<ClientNetwork>,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut reserved = self.bodies.lock();
        reserved.total -= self.bytes;
        if let Some(bytes) = reserved.clients.get_mut(&self.client) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                reserved.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io, net::IpAddr};

    use futures_util::stream;

    use super::*;

    fn client(address: &str) -> Option<ClientNetwork> {
        Some(address.parse::<IpAddr>().unwrap().into())
    }

    /// A request whose body never arrives.
    fn half_sent() -> Request {
        Request::new(Body::from_stream(stream::pending::<io::Result<Vec<u8>>>()))
    }

    async fn status(reader: &BodyReader, request: Request) -> u16 {
        let problem = reader.read(request, client("127.0.0.1")).await.unwrap_err();
        serde_json::to_value(&problem).unwrap()["status"].as_u64().unwrap() as u16
    }

    #[tokio::test(start_paused = true)]
    async fn reads_bodies_up_to_the_limit_within_the_timeout() {
        let reader = BodyReader::new(4, Duration::from_secs(2), IncompleteBodies::default());
        let request = reader.read(Request::new(Body::from("four")), None).await.unwrap();
        assert_eq!(to_bytes(request.into_body(), 4).await.unwrap(), "four");
        assert_eq!(status(&reader, Request::new(Body::from("three"))).await, 413);
        let chunks = stream::iter(["fo", "ur", "!"].map(Ok::<_, io::Error>));
        assert_eq!(status(&reader, Request::new(Body::from_stream(chunks))).await, 413);
        let broken = stream::iter([Ok("fo"), Err(io::Error::other("reset"))]);
        assert_eq!(status(&reader, Request::new(Body::from_stream(broken))).await, 400);
        assert_eq!(status(&reader, half_sent()).await, 408);
        assert_eq!(reader.incomplete.lock().total, 0);
    }

    #[tokio::test]
    async fn the_bodies_that_are_incomplete_are_limited_for_each_client() {
        let reader = BodyReader::new(MEMORY / 8, Duration::from_secs(60), IncompleteBodies::default());
        let mut half_sent: Vec<_> =
            (0..2).map(|_| Box::pin(reader.read(half_sent(), client("127.0.0.1")))).collect();
        for read in &mut half_sent {
            assert!(read.as_mut().now_or_never().is_none(), "waits");
        }
        assert_eq!(status(&reader, self::half_sent()).await, 503);
        assert!(reader.read(Request::new(Body::from("complete")), client("127.0.0.1")).await.is_ok());
        let other = reader.read(self::half_sent(), client("127.0.0.2"));
        assert!(other.now_or_never().is_none(), "another client may send");
        half_sent.clear();
        assert!(reader.incomplete.lock().clients.is_empty());
    }

    #[test]
    fn the_bodies_of_all_clients_together_are_limited() {
        let incomplete = IncompleteBodies::default();
        let reserve = |host: u8| incomplete.reserve(client(&format!("127.0.0.{host}")), MEMORY / 8);
        let reserved: Vec<_> = [1, 1, 2, 2, 3, 3, 4, 4].map(reserve).into_iter().flatten().collect();
        assert_eq!(reserved.len(), 8);
        let first = reserve(5);
        assert!(first.is_some(), "a client may always send one body");
        assert!(reserve(5).is_none(), "there is no memory for a second one");
        drop(reserved);
        assert!(reserve(5).is_some());
    }
}
