//! The pool as an executor of single statements.

use futures_util::{
    FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{Pool, connection::State};
use crate::telemetry;

/// Records an error in the span of the statement, if spans are exported.
fn observed<'e, T: 'e>(
    statement: impl Future<Output = sqlx::Result<T>> + Send + 'e,
) -> BoxFuture<'e, sqlx::Result<T>> {
    if telemetry::is_exporting() { telemetry::sql::observe(statement).boxed() } else { statement.boxed() }
}

impl<'p> Executor<'p> for &'_ Pool {
    type Database = Postgres;

    fn execute<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<PgQueryResult>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        observed(async move {
            let mut connection = pool.acquire().await?;
            let result = connection.execute(query).await.inspect_err(|error| pool.0.note(error))?;
            connection.set_state(State::Clean);
            Ok(result)
        })
    }

    /// The rows are collected, and the connection is free, before the first one is returned.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let steps = observed(async move {
            let mut connection = pool.acquire().await?;
            let steps = connection.fetch_many(query).try_collect::<Vec<_>>().await;
            let steps = steps.inspect_err(|error| pool.0.note(error))?;
            connection.set_state(State::Clean);
            Ok(stream::iter(steps.into_iter().map(Ok)))
        });
        steps.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        observed(async move {
            let mut connection = pool.acquire().await?;
            let row = connection.fetch_optional(query).await.inspect_err(|error| pool.0.note(error))?;
            connection.set_state(State::Clean);
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move { pool.acquire().await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        async move { pool.acquire().await?.describe(sql).await }.boxed()
    }
}
