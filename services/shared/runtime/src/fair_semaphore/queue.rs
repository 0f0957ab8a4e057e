//! The queue: calls in the order of their rounds.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use uuid::Uuid;

use super::Client;
use crate::client_address::ClientNetwork;

/// The calls before another one are counted in queues of up to this length.
const MAX_COUNTED: usize = 1024;

/// The place of a call: its round, and its number, which no other call has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    round: u64,
    number: u64,
}

#[derive(Debug)]
pub(super) struct Queue<T> {
    max: usize,
    max_bytes: usize,
    calls: BTreeMap<Position, Call<T>>,
    bytes: usize,
    /// The round of the call that was removed last.
    round: u64,
    next_number: u64,
    networks: Rounds<Option<ClientNetwork>>,
    accounts: Rounds<Uuid>,
}

#[derive(Debug)]
struct Call<T> {
    client: Client,
    bytes: usize,
    value: T,
}

impl<T> Queue<T> {
    pub(super) fn new(max: usize, max_bytes: usize) -> Self {
        Self {
            max,
            max_bytes,
            calls: BTreeMap::new(),
            bytes: 0,
            round: 0,
            next_number: 0,
            networks: Rounds::default(),
            accounts: Rounds::default(),
        }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    /// Adds a call in the first round that has no call of its client. Makes room for it by removing calls of later rounds;
    /// returns `None` if there are not enough.
    pub(super) fn push(&mut self, client: Client, bytes: usize, value: T) -> Option<Position> {
        if bytes > self.max_bytes {
            return None;
        }
        let round =
            self.networks.next(client.network).max(client.account.map_or(0, |id| self.accounts.next(id)));
        let position = Position { round: round.max(self.round), number: self.next_number };
        while self.calls.len() >= self.max || self.bytes.saturating_add(bytes) > self.max_bytes {
            let last = *self.calls.last_key_value()?.0;
            if last.round <= position.round {
                return None;
            }
            self.remove(last);
        }
        self.next_number += 1;
        self.bytes += bytes;
        self.networks.add(client.network, position.round);
        if let Some(account) = client.account {
            self.accounts.add(account, position.round);
        }
        self.calls.insert(position, Call { client, bytes, value });
        Some(position)
    }

    /// Removes the next call.
    pub(super) fn pop(&mut self) -> Option<T> {
        let position = *self.calls.first_key_value()?.0;
        self.round = position.round;
        self.remove(position)
    }

    /// Removes a call, if it is still there.
    pub(super) fn remove(&mut self, position: Position) -> Option<T> {
        let Call { client, bytes, value } = self.calls.remove(&position)?;
        self.bytes -= bytes;
        self.networks.remove(client.network, position.round);
        if let Some(account) = client.account {
            self.accounts.remove(account, position.round);
        }
        Some(value)
    }

    /// Returns the number of calls before this one. Estimates it for a long queue: all rounds until its own have a call of each
    /// client.
    pub(super) fn ahead(&self, position: Position) -> u32 {
        if self.calls.len() <= MAX_COUNTED {
            return u32::try_from(self.calls.range(..position).count()).unwrap_or(u32::MAX);
        }
        let first = self.calls.first_key_value().map_or(position.round, |(first, _)| first.round);
        let rounds = usize::try_from(position.round.saturating_sub(first) + 1).unwrap_or(usize::MAX);
        let clients = self.networks.len().max(1);
        let ahead = rounds.saturating_mul(clients).min(self.calls.len()).saturating_sub(1);
        u32::try_from(ahead).unwrap_or(u32::MAX)
    }
}

/// The round of the last call of each client that waits, and the number of its calls.
#[derive(Debug)]
struct Rounds<K>(HashMap<K, (u64, u32)>);

impl<K> Default for Rounds<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Rounds<K> {
    fn len(&self) -> usize {
        self.0.len()
    }

    /// The round of the client's next call.
    fn next(&self, client: K) -> u64 {
        self.0.get(&client).map_or(0, |(round, _)| round + 1)
    }

    fn add(&mut self, client: K, round: u64) {
        let (last, calls) = self.0.entry(client).or_insert((0, 0));
        *last = (*last).max(round);
        *calls += 1;
    }

    fn remove(&mut self, client: K, round: u64) {
        if let Some((last, calls)) = self.0.get_mut(&client) {
            *calls -= 1;
            if *calls == 0 {
                self.0.remove(&client);
            } else if *last == round {
                // The next call takes the place of one that has given up.
                *last -= 1;
            }
        }
    }
}
