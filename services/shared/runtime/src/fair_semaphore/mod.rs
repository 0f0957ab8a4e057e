//! A semaphore that clients share fairly.
//!
//! Waiting calls get permits in rounds: each round has one call of each client, so the first call of a client waits for at
//! most one call of every other client, however many others wait (start-time fair queueing with calls of equal cost:
//! P. Goyal, H. Vin, H. Cheng, SIGCOMM 1996). A client that is alone may use all permits. The queue is bounded; when it is
//! full, a call displaces the one with the latest round, which is of the client with the most calls.
//!
//! tokio's semaphore grants permits in the order of the calls, so the client with the most calls gets most of them.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use self::queue::{Position, Queue};
use crate::{client_address::ClientNetwork, context::CallContext};

/// Whose call it is. A call belongs to an address and, if its user is known, to an account; it is in a later round than the
/// other waiting calls of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// The network of the client; calls without one count as one client.
    pub network: Option<ClientNetwork>,
    /// The user.
    pub account: Option<Uuid>,
}

impl Client {
    /// Returns the client of the call being served, without its user.
    pub fn current() -> Self {
        Self { network: CallContext::client_network(), account: None }
    }
}

/// A number of permits, and a bounded queue of calls that wait for one. Cheap to clone; clones share the permits.
#[derive(Clone, Debug)]
pub struct FairSemaphore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: u32,
    state: Mutex<State>,
    /// Notified when the last permit becomes free.
    drained: Notify,
}

#[derive(Debug)]
struct State {
    free: u32,
    queue: Queue<oneshot::Sender<Permit>>,
}

/// A permit, which is returned when it is dropped.
#[derive(Debug)]
pub struct Permit(FairSemaphore);

/// A call that waits for a permit, until it is dropped.
#[derive(Debug)]
pub struct Waiting {
    semaphore: FairSemaphore,
    position: Position,
    permit: oneshot::Receiver<Permit>,
}

impl FairSemaphore {
    /// Creates `max` permits, for which at most `max_waiting` calls of at most `max_waiting_bytes` together wait.
    pub fn new(max: u32, max_waiting: usize, max_waiting_bytes: usize) -> Self {
        let state = State { free: max, queue: Queue::new(max_waiting, max_waiting_bytes) };
        Self(Arc::new(Inner { max, state: Mutex::new(state), drained: Notify::new() }))
    }

    /// Returns a permit if one is free. No call waits then.
    pub fn try_acquire(&self) -> Option<Permit> {
        let mut state = self.state();
        state.free = state.free.checked_sub(1)?;
        Some(Permit(self.clone()))
    }

    /// Enters the queue with a call that occupies `bytes`, unless the queue is full of calls that are not in a later round.
    /// The caller has found no free permit; if one has become free meanwhile, the call gets it.
    pub fn enqueue(&self, client: Client, bytes: usize) -> Option<Waiting> {
        let (sender, permit) = oneshot::channel();
        let mut state = self.state();
        let position = state.queue.push(client, bytes, sender)?;
        let granted = if state.free > 0 { state.grant(self) } else { None };
        drop(state);
        send(granted);
        Some(Waiting { semaphore: self.clone(), position, permit })
    }

    /// Waits for a permit.
    pub async fn acquire(&self, client: Client) -> Option<Permit> {
        match self.try_acquire() {
            Some(permit) => Some(permit),
            None => self.enqueue(client, 0)?.permit().await,
        }
    }

    /// Waits until all permits are free.
    pub async fn drained(&self) {
        loop {
            let drained = self.0.drained.notified();
            if self.in_use() == 0 {
                return;
            }
            drained.await;
        }
    }

    /// The number of permits.
    pub fn max(&self) -> u32 {
        self.0.max
    }

    /// The number of permits that are in use.
    pub fn in_use(&self) -> u32 {
        self.0.max - self.state().free
    }

    /// The number of waiting calls.
    pub fn waiting(&self) -> u32 {
        self.state().queue.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a returned permit to the next call, if one waits.
    fn release(&self) {
        let mut state = self.state();
        state.free += 1;
        let granted = state.grant(self);
        if state.free == self.0.max {
            self.0.drained.notify_waiters();
        }
        drop(state);
        send(granted);
    }
}

impl State {
    /// Takes a free permit for the next call.
    fn grant(&mut self, semaphore: &FairSemaphore) -> Option<(oneshot::Sender<Permit>, Permit)> {
        let sender = self.queue.pop()?;
        self.free -= 1;
        Some((sender, Permit(semaphore.clone())))
    }
}

/// Sends a permit, without the lock: if its receiver is gone, the permit is returned.
fn send(granted: Option<(oneshot::Sender<Permit>, Permit)>) {
    if let Some((sender, permit)) = granted {
        let _ = sender.send(permit);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Waiting {
    /// Waits for the permit. Returns `None` when the call was displaced. Dropping the future keeps the place in the queue.
    pub async fn permit(&mut self) -> Option<Permit> {
        (&mut self.permit).await.ok()
    }

    /// Returns the number of calls that are expected to get a permit before this one.
    pub fn ahead(&self) -> u32 {
        self.semaphore.state().queue.ahead(self.position)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.semaphore.state().queue.remove(self.position);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    fn client(address: u8) -> Client {
        let network = IpAddr::from(Ipv4Addr::new(127, 0, 0, address)).into();
        Client { network: Some(network), account: None }
    }

    fn semaphore(max: u32) -> FairSemaphore {
        FairSemaphore::new(max, 1000, 1000)
    }

    /// Returns the calls in the order in which they get the only permit, by their index.
    fn order(clients: &[Client]) -> Vec<usize> {
        let semaphore = semaphore(1);
        let held = semaphore.try_acquire().unwrap();
        let mut waiting: Vec<_> = clients.iter().map(|client| semaphore.enqueue(*client, 1)).collect();
        drop(held);
        let mut order = Vec::new();
        while order.len() < clients.len() {
            // Dropping the permit gives it to the next call.
            let is_granted = |call: &mut Option<Waiting>| call.as_mut()?.permit().now_or_never().flatten();
            let granted = waiting.iter_mut().position(|call| is_granted(call).is_some()).unwrap();
            waiting[granted] = None;
            order.push(granted);
        }
        order
    }

    #[test]
    fn a_client_that_is_alone_uses_all_permits_in_the_order_of_its_calls() {
        let semaphore = semaphore(3);
        let permits: Vec<_> = (0..3).map(|_| semaphore.try_acquire().unwrap()).collect();
        assert!(semaphore.try_acquire().is_none());
        assert_eq!((permits.len(), semaphore.in_use()), (3, 3));
        assert_eq!(order(&[client(1); 5]), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn each_round_has_one_call_of_each_client() {
        let (a, b, c) = (client(1), client(2), client(3));
        assert_eq!(order(&[a, a, a, a, b, b, c]), [0, 4, 6, 1, 5, 2, 3]);
    }

    #[test]
    fn accounts_of_one_address_share_its_part_and_addresses_of_one_account_too() {
        let account =
            |address, account| Client { account: Some(Uuid::from_u128(account)), ..client(address) };
        let (one, other) = (account(1, 1), account(1, 2));
        assert_eq!(order(&[one, one, other, client(2)]), [0, 3, 1, 2], "one address");
        let moving = [account(1, 7), account(2, 7), account(3, 7), client(4)];
        assert_eq!(order(&moving), [0, 3, 1, 2], "one account");
    }

    #[test]
    fn a_full_queue_displaces_the_client_with_the_most_calls() {
        let semaphore = FairSemaphore::new(1, 3, 1000);
        let held = semaphore.try_acquire().unwrap();
        let mut calls: Vec<_> = (0..3).map(|_| semaphore.enqueue(client(1), 1).unwrap()).collect();
        assert!(semaphore.enqueue(client(1), 1).is_none(), "its own calls are not displaced");
        let other = semaphore.enqueue(client(2), 1).unwrap();
        assert_eq!(semaphore.waiting(), 3);
        assert!(calls[2].permit().now_or_never().unwrap().is_none(), "the last call was displaced");
        assert!(calls[1].permit().now_or_never().is_none());
        assert_eq!(other.ahead(), 1);
        drop((calls, other, held));
        assert_eq!((semaphore.waiting(), semaphore.in_use()), (0, 0));
    }

    #[test]
    fn the_bytes_of_waiting_calls_are_bounded() {
        let semaphore = FairSemaphore::new(1, 100, 10);
        let _held = semaphore.try_acquire().unwrap();
        let _first = semaphore.enqueue(client(1), 6).unwrap();
        let mut second = semaphore.enqueue(client(1), 4).unwrap();
        assert!(semaphore.enqueue(client(1), 1).is_none());
        assert!(semaphore.enqueue(client(2), 11).is_none());
        let _other = semaphore.enqueue(client(2), 3).unwrap();
        assert!(second.permit().now_or_never().unwrap().is_none(), "displaced");
    }

    #[tokio::test]
    async fn a_permit_for_a_call_that_has_given_up_goes_to_the_next_one() {
        let semaphore = semaphore(1);
        let held = semaphore.try_acquire().unwrap();
        let given_up = semaphore.enqueue(client(1), 1).unwrap();
        let mut next = semaphore.enqueue(client(1), 1).unwrap();
        drop(held);
        assert_eq!(semaphore.in_use(), 1, "the first call has the permit, which it has not received yet");
        drop(given_up);
        assert!(next.permit().await.is_some());
        assert_eq!(semaphore.in_use(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_permit_is_lost() {
        let semaphore = semaphore(2);
        let calls = (0..1000_u32).map(|index| {
            let semaphore = semaphore.clone();
            tokio::spawn(async move {
                let work = async {
                    let permit = semaphore.acquire(client((index % 7) as u8)).await;
                    tokio::task::yield_now().await;
                    assert!(semaphore.in_use() <= 2);
                    drop(permit);
                };
                // Some calls give up while they wait.
                if index % 3 == 0 {
                    tokio::select! { () = work => {}, () = tokio::task::yield_now() => {} }
                } else {
                    work.await;
                }
            })
        });
        for ended in join_all(calls).await {
            ended.unwrap();
        }
        semaphore.drained().await;
        assert_eq!((semaphore.in_use(), semaphore.waiting()), (0, 0));
        assert!(semaphore.try_acquire().is_some());
    }
}
