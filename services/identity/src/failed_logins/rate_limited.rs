//! Logins that a rate limit rejects. They must stay cheap, so they are counted in memory and written together, every few
//! seconds. What was counted since the last time is lost when the process ends.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bodega_runtime::{database::Pool, timeouts, worker::Worker};
use uuid::Uuid;

use super::{
    MAX_ACCOUNTS, client,
    db::{self, NewCount},
};

/// Clients that are counted for themselves; the others are counted together.
const MAX_CLIENTS: usize = 1_000;

const WORKER: Worker = Worker {
    name: "counts of rate-limited logins",
    interval: Duration::from_secs(5),
    idle_interval: Duration::from_secs(5),
    concurrency: 1,
    timeout: timeouts::WORK,
};

/// What a client has tried to log in to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    /// A normalized email or username, which no account may have.
    Login(String),
    Account(Uuid),
    /// A login that no account can have, or one of too many.
    Other,
}

/// Counts by the network of the client.
type Counts = HashMap<String, HashMap<Target, i32>>;

/// Rate-limited logins that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct RateLimitedLogins(Mutex<Counts>);

impl RateLimitedLogins {
    /// Counts a login of the client of the call being served; `None` if no account can have it.
    pub(crate) fn count_login(&self, login: Option<&str>) {
        self.count(login.map_or(Target::Other, |login| Target::Login(login.to_owned())));
    }

    /// Counts a second step of a login.
    pub(crate) fn count_second_step(&self, account: Uuid) {
        self.count(Target::Account(account));
    }

    fn count(&self, target: Target) {
        let client = client();
        let mut counts = self.lock();
        let has_room = counts.len() < MAX_CLIENTS || counts.contains_key(&client);
        let of_client = counts.entry(if has_room { client } else { String::new() }).or_default();
        let has_room = of_client.len() < MAX_ACCOUNTS || of_client.contains_key(&target);
        *of_client.entry(if has_room { target } else { Target::Other }).or_default() += 1;
    }

    /// Writes the counts every few seconds until the future is dropped.
    pub(crate) async fn write_repeatedly(&self, db: Pool) {
        WORKER.repeat(async || self.write(&db).await.map(|()| false)).await;
    }

    async fn write(&self, db: &Pool) -> sqlx::Result<()> {
        let counts = self.lock().clone();
        if counts.is_empty() {
            return Ok(());
        }
        db::add(db, new_counts(&counts)).await?;
        // A write that fails is repeated with what has been counted meanwhile.
        self.subtract(&counts);
        Ok(())
    }

    fn subtract(&self, written: &Counts) {
        let mut counts = self.lock();
        for (client, targets) in written {
            let Some(of_client) = counts.get_mut(client) else { continue };
            of_client.retain(|target, count| {
                *count -= targets.get(target).copied().unwrap_or_default();
                *count > 0
            });
        }
        counts.retain(|_, of_client| !of_client.is_empty());
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_counts(counts: &Counts) -> impl Iterator<Item = NewCount> {
    counts.iter().flat_map(|(client, targets)| {
        targets.iter().map(|(target, count)| {
            let (login, account) = match target {
                Target::Login(login) => (login.clone(), None),
                Target::Account(account) => (String::new(), Some(*account)),
                Target::Other => (String::new(), None),
            };
            NewCount { client: client.clone(), login, account, failures: 0, rate_limited: *count }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_bounded() {
        let logins = RateLimitedLogins::default();
        for number in 0..30 {
            logins.count_login(Some(&format!("user{number}")));
            logins.count_login(Some("user0"));
        }
        let counts = logins.lock().clone();
        assert_eq!(counts.len(), 1);
        let of_client = &counts[""];
        assert_eq!(of_client.len(), MAX_ACCOUNTS + 1);
        assert_eq!((of_client[&Target::Login("user0".into())], of_client[&Target::Other]), (31, 10));
    }

    #[test]
    fn what_was_written_is_subtracted() {
        let logins = RateLimitedLogins::default();
        let account = Uuid::from_u128(1);
        logins.count_second_step(account);
        logins.count_login(None);
        let written = logins.lock().clone();
        logins.count_second_step(account);
        logins.subtract(&written);
        let expected = HashMap::from([(String::new(), HashMap::from([(Target::Account(account), 1)]))]);
        assert_eq!(*logins.lock(), expected);
    }
}
