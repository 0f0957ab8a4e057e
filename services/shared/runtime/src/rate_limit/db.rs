//! SQL of `rate_limits`.
//!
//! Services have this table in their own schemas, so the statements are not checked at compile time: the tests of rate limits
//! run all of them. `restored_at` is the time at which the last use is restored.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::{RateLimited, Use};
use crate::database::Pool;

/// Maximum number of rows that one statement deletes.
const BATCH: i64 = 10_000;

/// The table in one schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLimits {
    pub(super) schema: &'static str,
}

impl RateLimits {
    /// Takes all uses, or none. Returns the limit that is exhausted for the longest time, if any is.
    pub(super) async fn take(self, db: &Pool, uses: &[Use]) -> sqlx::Result<Option<RateLimited>> {
        let (keys, intervals): (Vec<_>, Vec<_>) = columns(uses);
        let periods: Vec<_> = uses.iter().map(|taken| taken.limit.period().as_secs_f64()).collect();
        // Concurrent calls may read the same state. The last condition holds for the latest state of a row, which is locked.
        let sql = format!(
            "with asked as materialized (
                 select position, key, make_interval(secs => cost) as cost, make_interval(secs => period) as period
                 from unnest($1::bytea[], $2::float8[], $3::float8[]) with ordinality as a (key, cost, period, position)
             ), current as materialized (
                 select a.*, greatest(l.restored_at, now()) + a.cost as restored_at
                 from asked a left join {schema}.rate_limits l on l.key = a.key
             ), taken as (
                 insert into {schema}.rate_limits as l (key, restored_at)
                 select key, restored_at from current
                 where not exists (select from current where restored_at > now() + period)
                 order by key -- concurrent calls lock their rows in the same order
                 on conflict (key) do update
                 set restored_at = greatest(l.restored_at, now()) + (select cost from asked where key = l.key)
                 where greatest(l.restored_at, now()) + (select cost - period from asked where key = l.key) <= now()
                 returning key
             )
             select position - 1, extract(epoch from restored_at - period - now())::float8
             from current
             where key not in (select key from taken)
             order by restored_at - period desc limit 1",
            schema = self.schema,
        );
        let exhausted: Option<(i64, f64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(keys)
            .bind(intervals)
            .bind(periods)
            .fetch_optional(db)
            .await?;
        Ok(exhausted.and_then(|(position, seconds)| {
            let taken = uses.get(usize::try_from(position).ok()?)?;
            let retry_after = Duration::from_secs_f64(seconds.max(1.0).ceil());
            Some(RateLimited { limit: taken.limit, retry_after })
        }))
    }

    pub(super) async fn restore(self, db: &Pool, uses: &[Use]) -> sqlx::Result<()> {
        let (keys, intervals): (Vec<_>, Vec<_>) = columns(uses);
        let sql = format!(
            "with taken as materialized (
                 select l.key, a.cost from {schema}.rate_limits l
                 join unnest($1::bytea[], $2::float8[]) as a (key, cost) on a.key = l.key
                 order by l.key for update of l
             )
             update {schema}.rate_limits l set restored_at = l.restored_at - make_interval(secs => cost)
             from taken where taken.key = l.key",
            schema = self.schema,
        );
        sqlx::query(AssertSqlSafe(sql)).bind(keys).bind(intervals).execute(db).await?;
        Ok(())
    }

    /// Deletes rows whose uses are all restored. Returns whether there may be more.
    pub(super) async fn delete_restored(self, db: &Pool) -> sqlx::Result<bool> {
        let sql = format!(
            "delete from {schema}.rate_limits
             where key in (
                 select key from {schema}.rate_limits where restored_at < now() limit $1 for update skip locked
             )",
            schema = self.schema,
        );
        let done = sqlx::query(AssertSqlSafe(sql)).bind(BATCH).execute(db).await?;
        Ok(done.rows_affected() >= BATCH.unsigned_abs())
    }
}

/// Returns the keys of uses, and the seconds until each is restored.
fn columns(uses: &[Use]) -> (Vec<Vec<u8>>, Vec<f64>) {
    uses.iter().map(|taken| (taken.key.to_vec(), taken.limit.interval.as_secs_f64())).unzip()
}
