//! SQL of `stored_images`.
//!
//! identity and catalog each have this table in their own schema, and the role of each can access no other. Only the
//! schema differs, so the statements are not checked at compile time: the image tests of both services run all of them.

use std::time::Duration;

use bodega_runtime::database::Pool;
use sqlx::{AssertSqlSafe, PgExecutor};

/// The table in one schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredImages {
    pub(super) schema: &'static str,
}

/// An image whose deletion was claimed.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ClaimedImage {
    pub(super) key: String,
    /// Attempts to delete it, including this one.
    pub(super) attempts: i32,
}

impl StoredImages {
    pub(super) async fn insert(
        self,
        db: impl PgExecutor<'_>,
        key: &str,
        storage: &str,
        retention: Duration,
    ) -> sqlx::Result<()> {
        let sql = format!(
            "insert into {}.stored_images (key, storage, delete_after)
             values ($1, $2, now() + make_interval(secs => $3))",
            self.schema,
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(key)
            .bind(storage)
            .bind(retention.as_secs_f64())
            .execute(db)
            .await?;
        Ok(())
    }

    /// Marks images as used, except those whose deletion has begun. Returns the number of marked images.
    pub(super) async fn mark_used(self, db: impl PgExecutor<'_>, keys: &[String]) -> sqlx::Result<u64> {
        let sql = format!(
            "update {}.stored_images set delete_after = null where key = any($1) and attempts = 0",
            self.schema,
        );
        Ok(sqlx::query(AssertSqlSafe(sql)).bind(keys).execute(db).await?.rows_affected())
    }

    pub(super) async fn discard(self, db: impl PgExecutor<'_>, keys: &[String]) -> sqlx::Result<()> {
        let sql = format!(
            "update {}.stored_images set delete_after = now()
             where key = any($1) and attempts = 0 and delete_after is not null",
            self.schema,
        );
        sqlx::query(AssertSqlSafe(sql)).bind(keys).execute(db).await?;
        Ok(())
    }

    /// Claims images to delete from `storage`: no other replica claims them until the lease ends.
    pub(super) async fn claim(
        self,
        db: &Pool,
        storage: &str,
        limit: i64,
        lease: Duration,
    ) -> sqlx::Result<Vec<ClaimedImage>> {
        let sql = format!(
            "with due as (
                 select key from {schema}.stored_images
                 where storage = $1 and delete_after <= now()
                 order by delete_after limit $2
                 for update skip locked
             )
             update {schema}.stored_images i
             set attempts = i.attempts + 1, delete_after = now() + make_interval(secs => $3)
             from due
             where i.key = due.key
             returning i.key, i.attempts",
            schema = self.schema,
        );
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(storage)
            .bind(limit)
            .bind(lease.as_secs_f64())
            .fetch_all(db)
            .await
    }

    /// Deletes the row of an image whose object was deleted.
    pub(super) async fn delete(self, db: &Pool, key: &str) -> sqlx::Result<()> {
        let sql = format!("delete from {}.stored_images where key = $1", self.schema);
        sqlx::query(AssertSqlSafe(sql)).bind(key).execute(db).await?;
        Ok(())
    }

    /// Retries the deletion of an image after `pause`.
    pub(super) async fn postpone(self, db: &Pool, key: &str, pause: Duration) -> sqlx::Result<()> {
        let sql = format!(
            "update {}.stored_images set delete_after = now() + make_interval(secs => $2) where key = $1",
            self.schema,
        );
        sqlx::query(AssertSqlSafe(sql)).bind(key).bind(pause.as_secs_f64()).execute(db).await?;
        Ok(())
    }
}
