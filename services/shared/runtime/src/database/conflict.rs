//! Doing again what the database undid.

use std::time::Duration;

use crate::backoff::Backoff;

/// How often a transaction is tried before its client has to.
const ATTEMPTS: i32 = 5;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(160));

/// An error that may say that the database undid a transaction, only because others were at the same rows.
pub trait IsConflict: std::fmt::Display {
    /// Whether it does: then the same transaction may go through when it is tried again.
    fn is_conflict(&self) -> bool;
}

impl IsConflict for sqlx::Error {
    /// A serialization failure or a deadlock.
    fn is_conflict(&self) -> bool {
        let code = self.as_database_error().and_then(|cause| cause.code());
        code.is_some_and(|code| matches!(&*code, "40001" | "40P01"))
    }
}

/// Runs a transaction, from its beginning to its commit, and again when it was undone.
///
/// All take locks in one order, so this should hardly ever be needed.
///
/// # Errors
/// The transaction's, after five attempts at most.
pub async fn retry_on_conflict<T, E: IsConflict, F>(mut transaction: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for attempt in 1..ATTEMPTS {
        match transaction().await {
            Err(cause) if cause.is_conflict() => {
                tracing::warn!("attempt {attempt} of {ATTEMPTS} was undone: {cause}");
                tokio::time::sleep(BACKOFF.pause(attempt - 1)).await;
            }
            outcome => return outcome,
        }
    }
    transaction().await
}
