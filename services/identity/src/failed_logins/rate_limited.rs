//! Logins that a rate limit rejects. They must stay cheap, so they are counted in memory and written together, every few
//! seconds. What was counted since the last time is lost when the process ends.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bodega_runtime::{context::CallContext, database::Pool, timeouts, worker::Worker};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::MAX_ACCOUNTS;

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
        let client = CallContext::client_network().map(|network| network.to_string()).unwrap_or_default();
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
        insert(db, &counts).await?;
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

async fn insert(db: impl PgExecutor<'_>, counts: &Counts) -> sqlx::Result<()> {
    let rows = counts.iter().flat_map(|(client, targets)| {
        targets.iter().map(move |(target, count)| (client.clone(), target, *count))
    });
    let (mut clients, mut logins, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ids, mut numbers) = (Vec::new(), Vec::new());
    for (client, target, count) in rows {
        clients.push(client);
        logins.push(if let Target::Login(login) = target { login.clone() } else { String::new() });
        accounts.push(if let Target::Account(id) = target { *id } else { Uuid::nil() });
        ids.push(Uuid::now_v7());
        numbers.push(count);
    }
    sqlx::query!(
        "with counted as (
             select c.client, c.id, c.rate_limited,
                    coalesce(
                        (select u.id from identity.users u
                         where (u.email_normalized = c.login or u.username_normalized = c.login) and u.deleted_at is null),
                        c.account
                    ) as account
             from unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::integer[])
                  as c (client, login, account, id, rate_limited)
         ), by_account as (
             select client, account, (array_agg(id))[1] as id, sum(rate_limited) as rate_limited
             from counted group by client, account
         ), current as (
             select client, account from identity.failed_logins
             where hour = date_trunc('hour', now(), 'UTC') and client = any($1)
         ), numbered as (
             select b.*, c.client is not null or b.account = $6 as has_row,
                    (select count(*) from current o where o.client = b.client)
                    + row_number() over (partition by b.client, c.client is null order by b.account) as number
             from by_account b left join current c using (client, account)
         ), limited as (
             select client, case when has_row or number <= $7 then account else $6 end as account, id, rate_limited
             from numbered
         )
         insert into identity.failed_logins (hour, client, account, id, failures, rate_limited)
         select date_trunc('hour', now(), 'UTC'), client, account, (array_agg(id))[1], 0, sum(rate_limited)
         from limited group by client, account
         order by client, account -- replicas lock rows in the same order
         on conflict (hour, client, account) do update
         set rate_limited = failed_logins.rate_limited + excluded.rate_limited",
        &clients,
        &logins,
        &accounts,
        &ids,
        &numbers,
        Uuid::nil(),
        MAX_ACCOUNTS as i64,
    )
    .execute(db)
    .await?;
    Ok(())
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
