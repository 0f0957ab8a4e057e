//! Retries of transactions that conflict with others.

use std::time::Duration;

use futures_util::future::Either;

use crate::{backoff::Backoff, telemetry};

/// Maximum number of attempts.
const ATTEMPTS: i32 = 5;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(160));

/// An error of a transaction, which may be a conflict with other transactions.
pub trait IsConflict: std::fmt::Display {
    /// Returns the error of the database, if it is one.
    fn database_error(&self) -> Option<&sqlx::Error>;

    /// Returns whether Postgres rolled the transaction back in favour of others, so that a retry may succeed: after a
    /// serialization failure or a deadlock.
    fn is_conflict(&self) -> bool {
        let error = self.database_error().and_then(sqlx::Error::as_database_error);
        error.and_then(|error| error.code()).is_some_and(|code| matches!(&*code, "40001" | "40P01"))
    }
}

impl IsConflict for sqlx::Error {
    fn database_error(&self) -> Option<&sqlx::Error> {
        Some(self)
    }
}

/// Runs a transaction, from its beginning to its commit, up to five times while it conflicts with others.
///
/// Conflicts are rare: all transactions take their locks in the same order.
///
/// # Errors
/// The transaction's error: a conflict after the last attempt, any other error at once.
pub async fn retry_on_conflict<T, E: IsConflict, F>(mut transaction: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for attempt in 1..ATTEMPTS {
        match observed(transaction()).await {
            Err(error) if error.is_conflict() => {
                let pause = BACKOFF.pause(attempt - 1);
                tracing::warn!(
                    "transaction conflict, retrying in {pause:?} ({attempt} of {ATTEMPTS}): {error}"
                );
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    observed(transaction()).await
}

/// Records an error in the span of the statement that failed, if spans are exported.
fn observed<T, E, F>(transaction: F) -> impl Future<Output = Result<T, E>>
where
    E: IsConflict,
    F: Future<Output = Result<T, E>>,
{
    if telemetry::is_exporting() {
        Either::Left(Box::pin(telemetry::sql::observe(transaction)))
    } else {
        Either::Right(transaction)
    }
}
