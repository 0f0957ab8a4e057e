//! The open connections, or the uploads in progress. Their number is limited; clients share it fairly.
//!
//! When all are open, a connection of another client replaces one of the client with the most: an idle one, or else its
//! oldest. So a client may use all of them, but it does not keep others out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bodega_runtime::client_address::ClientNetwork;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// The open connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    max: usize,
    state: Mutex<State>,
    /// Notified when the last connection is closed.
    all_closed: Notify,
}

#[derive(Default)]
struct State {
    open: usize,
    next_id: u64,
    /// The connections of each client in the order in which they were opened, without those of trusted proxies.
    clients: HashMap<ClientNetwork, BTreeMap<u64, Arc<Activity>>>,
}

/// An open connection, until it is dropped.
pub(crate) struct Connection {
    connections: Connections,
    id: u64,
    /// `None` for a trusted proxy, which has many clients.
    client: Option<ClientNetwork>,
    activity: Arc<Activity>,
}

/// What a connection does.
pub(crate) struct Activity {
    requests: AtomicU32,
    has_request: AtomicBool,
    /// The end of the last response.
    last: Mutex<Instant>,
    displaced: CancellationToken,
}

impl Connections {
    /// Allows `max` connections.
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max, state: Mutex::default(), all_closed: Notify::new() }))
    }

    /// Adds a connection of a client. Returns `None` when it must be closed: there are too many, and no client has more than
    /// this one.
    pub(crate) fn open(&self, address: IpAddr, is_proxy: bool) -> Option<Connection> {
        let client = (!is_proxy).then(|| ClientNetwork::from(address));
        let mut state = self.state();
        if state.open >= self.0.max {
            state.displace_for(client)?;
        }
        let id = state.next_id;
        let activity = Arc::new(Activity::new());
        state.next_id += 1;
        state.open += 1;
        if let Some(client) = client {
            state.clients.entry(client).or_default().insert(id, activity.clone());
        }
        Some(Connection { connections: self.clone(), id, client, activity })
    }

    /// Ends the oldest connection of the client with the most, if it has more than this one, and the connection is at least
    /// this old.
    pub(crate) fn make_room_for(&self, address: IpAddr, min_age: Duration) {
        let mut state = self.state();
        if let Some(from) = state.heavier_than(state.count(address.into()))
            && let Some((age, id)) = state.longest_idle(from)
            && age >= min_age
        {
            state.displace(from, id);
        }
    }

    /// Waits until all connections are closed.
    pub(crate) async fn all_closed(&self) {
        loop {
            let all_closed = self.0.all_closed.notified();
            if self.state().open == 0 {
                return;
            }
            all_closed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&self, client: ClientNetwork) -> usize {
        self.clients.get(&client).map_or(0, BTreeMap::len)
    }

    /// Returns the client with the most connections, if it has more than `count`.
    fn heavier_than(&self, count: usize) -> Option<ClientNetwork> {
        let (client, connections) = self.clients.iter().max_by_key(|(_, connections)| connections.len())?;
        (connections.len() > count).then_some(*client)
    }

    /// Returns the connection of a client that has been idle for the longest time, and that time.
    fn longest_idle(&self, client: ClientNetwork) -> Option<(Duration, u64)> {
        let connections = self.clients.get(&client)?.iter();
        let idle = connections.filter_map(|(id, activity)| Some((activity.idle_time()?, Reverse(*id))));
        idle.max().map(|(time, Reverse(id))| (time, id))
    }

    /// Ends a connection, so that one of `client` can be opened.
    fn displace_for(&mut self, client: Option<ClientNetwork>) -> Option<()> {
        let own = client.map_or(0, |client| self.count(client));
        let heavier = self.heavier_than(own);
        let from = heavier.or(client)?;
        let oldest = || Some(*self.clients.get(&heavier?)?.first_key_value()?.0);
        let id = self.longest_idle(from).map(|(_, id)| id).or_else(oldest)?;
        self.displace(from, id);
        Some(())
    }

    fn displace(&mut self, client: ClientNetwork, id: u64) {
        if let Some(activity) = self.remove(client, id) {
            activity.displaced.cancel();
        }
    }

    /// Removes a connection that was not displaced.
    fn remove(&mut self, client: ClientNetwork, id: u64) -> Option<Arc<Activity>> {
        let connections = self.clients.get_mut(&client)?;
        let activity = connections.remove(&id)?;
        if connections.is_empty() {
            self.clients.remove(&client);
        }
        self.open -= 1;
        Some(activity)
    }
}

impl Connection {
    pub(crate) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        match self.client {
            Some(client) => drop(state.remove(client, self.id)),
            None => state.open -= 1,
        }
        if state.open == 0 {
            self.connections.0.all_closed.notify_waiters();
        }
    }
}

impl Activity {
    fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            has_request: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
            displaced: CancellationToken::new(),
        }
    }

    /// Counts a request until the result is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> ActiveRequest {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.has_request.store(true, Ordering::Relaxed);
        ActiveRequest(self.clone())
    }

    /// Whether the connection ever had a request.
    pub(crate) fn has_request(&self) -> bool {
        self.has_request.load(Ordering::Relaxed)
    }

    /// The time since the last response, or since the connection was opened; `None` while there is a request.
    pub(crate) fn idle_time(&self) -> Option<Duration> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.requests.load(Ordering::Relaxed) == 0).then(|| last.elapsed())
    }

    /// Waits until a connection of another client needs its place.
    pub(crate) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

/// A request until its response begins.
pub(crate) struct ActiveRequest(Arc<Activity>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::advance;

    use super::*;

    fn address(host: u8) -> IpAddr {
        Ipv4Addr::new(127, 0, 0, host).into()
    }

    fn is_displaced(connection: &Connection) -> bool {
        connection.activity.displaced.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_replaces_the_longest_idle_one_of_the_same_client() {
        let connections = Connections::new(2);
        let first = connections.open(address(1), false).unwrap();
        advance(Duration::from_secs(1)).await;
        let second = connections.open(address(1), false).unwrap();
        advance(Duration::from_secs(1)).await;
        drop(first.activity.request());
        let third = connections.open(address(1), false).unwrap();
        assert!(is_displaced(&second) && !is_displaced(&first), "the second was idle for longer");
        let _requests = [first.activity.request(), third.activity.request()];
        assert!(connections.open(address(1), false).is_none(), "none is idle");
        drop((first, second, third));
        assert_eq!(connections.state().open, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn another_client_replaces_a_connection_of_the_one_with_the_most() {
        let connections = Connections::new(4);
        let many: Vec<_> = (0..4).map(|_| connections.open(address(1), false).unwrap()).collect();
        let requests: Vec<_> = many.iter().map(|connection| connection.activity.request()).collect();
        let _second = connections.open(address(2), false).unwrap();
        assert!(is_displaced(&many[0]), "the oldest, since all are active");
        drop(requests);
        let third = connections.open(address(3), false).unwrap();
        assert_eq!(many.iter().filter(|connection| is_displaced(connection)).count(), 2);
        let request = third.activity.request();
        assert!(connections.open(address(3), false).is_some(), "the first client has two");
        assert!(connections.open(address(3), false).is_some(), "its own idle one");
        drop(request);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_of_a_proxy_are_not_replaced() {
        let connections = Connections::new(2);
        let proxy =
            [connections.open(address(9), true).unwrap(), connections.open(address(9), true).unwrap()];
        assert!(connections.open(address(1), false).is_none());
        assert!(!proxy.iter().any(is_displaced));
        drop(proxy);
        let client =
            [connections.open(address(1), false).unwrap(), connections.open(address(1), false).unwrap()];
        let proxy = connections.open(address(9), true).unwrap();
        assert!(client.iter().any(is_displaced));
        drop((client, proxy));
        connections.all_closed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn makes_room_only_at_the_expense_of_a_client_with_more_and_after_some_time() {
        let (uploads, second) = (Connections::new(usize::MAX), Duration::from_secs(1));
        let slow = [uploads.open(address(1), false).unwrap(), uploads.open(address(1), false).unwrap()];
        uploads.make_room_for(address(2), second);
        advance(second).await;
        uploads.make_room_for(address(1), second);
        assert!(!slow.iter().any(is_displaced));
        uploads.make_room_for(address(2), second);
        assert!(is_displaced(&slow[0]) && !is_displaced(&slow[1]));
    }
}
