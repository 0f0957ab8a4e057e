//! Doing again what the database undid.

use std::time::Duration;

use crate::error::Error;

/// How often a transaction is tried before its client has to.
const ATTEMPTS: u32 = 5;
/// The longest pause before the second attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Runs a transaction, again when a deadlock or a serialization failure undid it.
///
/// Everybody takes locks in the same order (see [`crate::store`]), so this should never be needed.
pub(crate) async fn on_conflict<T, F>(mut transaction: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempt = 1;
    loop {
        let outcome = transaction().await;
        match &outcome {
            Err(cause) if attempt < ATTEMPTS && cause.is_conflict() => {
                tracing::warn!("attempt {attempt} of {ATTEMPTS} was undone: {cause}");
                // Those who collided must not come back together.
                let pause = FIRST_PAUSE * 2_u32.pow(attempt - 1);
                tokio::time::sleep(pause.mul_f64(rand::random())).await;
                attempt += 1;
            }
            Ok(_) | Err(_) => return outcome,
        }
    }
}
