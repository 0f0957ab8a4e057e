//! The counts of the current hour.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::MAX_ACCOUNTS;

/// Logins of a client that are added to its counts.
pub(super) struct NewCount {
    /// The network of the client; empty if it is unknown.
    pub(super) client: String,
    /// A normalized email or username, if the account is to be found by it; otherwise empty.
    pub(super) login: String,
    /// `None` for an unknown account.
    pub(super) account: Option<Uuid>,
    pub(super) failures: i32,
    pub(super) rate_limited: i32,
}

/// Adds to the counts. Accounts beyond [`MAX_ACCOUNTS`] of a client are counted together, as the unknown account.
pub(super) async fn add(
    db: impl PgExecutor<'_>,
    counts: impl IntoIterator<Item = NewCount>,
) -> sqlx::Result<()> {
    let (mut clients, mut logins, mut accounts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ids, mut failures, mut rate_limited) = (Vec::new(), Vec::new(), Vec::new());
    for count in counts {
        clients.push(count.client);
        logins.push(count.login);
        accounts.push(count.account.unwrap_or_default());
        ids.push(Uuid::now_v7());
        failures.push(count.failures);
        rate_limited.push(count.rate_limited);
    }
    sqlx::query!(
        "with counted as (
             select c.client, c.id, c.failures, c.rate_limited,
                    coalesce(
                        (select u.id from identity.users u
                         where (u.email_normalized = c.login or u.username_normalized = c.login) and u.deleted_at is null),
                        c.account
                    ) as account
             from unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::integer[], $6::integer[])
                  as c (client, login, account, id, failures, rate_limited)
         ), by_account as (
             select client, account, (array_agg(id))[1] as id, sum(failures) as failures, sum(rate_limited) as rate_limited
             from counted group by client, account
         ), current as (
             select client, account from identity.failed_logins
             where hour = date_trunc('hour', now(), 'UTC') and client = any($1)
         ), numbered as (
             select b.*, c.client is not null or b.account = $7 as has_row,
                    (select count(*) from current o where o.client = b.client)
                    + row_number() over (partition by b.client, c.client is null order by b.account) as number
             from by_account b left join current c using (client, account)
         ), limited as (
             select client, case when has_row or number <= $8 then account else $7 end as account,
                    id, failures, rate_limited
             from numbered
         )
         insert into identity.failed_logins (hour, client, account, id, failures, rate_limited)
         select date_trunc('hour', now(), 'UTC'), client, account, (array_agg(id))[1], sum(failures), sum(rate_limited)
         from limited group by client, account
         order by client, account -- replicas lock rows in the same order
         on conflict (hour, client, account) do update
         set failures = failed_logins.failures + excluded.failures,
             rate_limited = failed_logins.rate_limited + excluded.rate_limited",
        &clients,
        &logins,
        &accounts,
        &ids,
        &failures,
        &rate_limited,
        Uuid::nil(),
        MAX_ACCOUNTS as i64,
    )
    .execute(db)
    .await?;
    Ok(())
}
