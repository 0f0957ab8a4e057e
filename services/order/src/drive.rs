//! From an attempt to its end: an order, or a refusal.
//!
//! One driver at a time has an attempt's lease, which spares the catalog a stampede; nothing depends on it. Two drivers
//! of one attempt are answered alike, or the one that is refused finds that the other has ended it.

use std::time::Duration;

use bodega_proto::catalog::v1::{Reserved, reserve_response};
use bodega_runtime::status::reason;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    App, backoff,
    error::Error,
    order::{Attempt, Outcome, price},
    outbox::{self, Kind},
    refusal::Refusal,
    store::{self, settle::Rejection},
};

/// How soon those who wait for another driver first look how far it is, and how long they leave it at most.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long they wait: for the rest of a lease, and then for whoever was faster to take over.
const PATIENCE: Duration = Duration::from_secs(8);
/// An attempt that fails in a way that waiting should not mend is withdrawn after so many tries.
const MAX_ODD_FAILURES: i32 = 5;

/// How an attempt ended. Waits for whoever drives it; drives it where nobody does.
pub(crate) async fn to_the_end(app: &App, id: Uuid) -> Result<Outcome, Error> {
    let patience = Instant::now() + PATIENCE;
    let mut pause = FIRST_LOOK;
    loop {
        if let Some(outcome) = store::attempts::outcome(&app.db, id).await? {
            return Ok(outcome);
        }
        if let Some(attempt) = store::attempts::take_over(&app.db, id).await? {
            return drive(app, &attempt).await;
        }
        if Instant::now() > patience {
            return Err(Error::StillPlacing);
        }
        sleep(pause).await;
        pause = LOOK_INTERVAL.min(pause * 2);
    }
}

/// Drives an attempt to its end, in the time that its lease gives.
///
/// # Errors
/// The catalog's, when it cannot tell now; the attempt is left to whoever comes next.
pub(crate) async fn drive(app: &App, attempt: &Attempt) -> Result<Outcome, Error> {
    match app.neighbours.reserve(attempt.id, &attempt.lines).await {
        Ok(reserve_response::Outcome::Reserved(reserved)) => settle(app, attempt, reserved).await,
        Ok(reserve_response::Outcome::Short(short)) => {
            reject(app, attempt, Refusal::short(short), Stock::NotTaken).await
        }
        Err(cause) => match judge(&cause, attempt.attempts) {
            Verdict::Released => reject(app, attempt, Refusal::Withdrawn, Stock::NotTaken).await,
            Verdict::Hopeless => {
                warn!(order.id = %attempt.id, "Withdrawing order {}: the catalog answered {cause}", attempt.id);
                withdraw(app, attempt).await
            }
            Verdict::Later => {
                store::attempts::leave(&app.db, attempt, backoff::pause(attempt.attempts)).await?;
                Err(Error::Upstream(cause))
            }
        },
    }
}

/// Ends an attempt that will not become an order.
pub(crate) async fn withdraw(app: &App, attempt: &Attempt) -> Result<Outcome, Error> {
    reject(app, attempt, Refusal::Withdrawn, Stock::MaybeTaken).await
}

/// What is known of an attempt's stock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stock {
    /// None was taken, at least by the one who asks.
    NotTaken,
    /// Some may have been.
    MaybeTaken,
}

/// The stock is there: makes the attempt an order at the prices it was reserved at.
async fn settle(app: &App, attempt: &Attempt, reserved: Reserved) -> Result<Outcome, Error> {
    let Some(priced) = price(&attempt.lines, reserved) else {
        warn!(order.id = %attempt.id, "Withdrawing order {}: its stock is not what was asked for", attempt.id);
        return withdraw(app, attempt).await;
    };
    if let Some(refusal) = Refusal::of_price(attempt, &priced) {
        return reject(app, attempt, refusal, Stock::MaybeTaken).await;
    }
    if !store::settle::place(&app.db, attempt, &priced).await? {
        return ended(app, attempt.id).await;
    }
    info!(order.id = %attempt.id, "Placed order {}", attempt.id);
    outbox::deliver_now(app, &attempt.delivery(Kind::ClearCart)).await;
    Ok(Outcome::Placed)
}

async fn reject(app: &App, attempt: &Attempt, refusal: Refusal, stock: Stock) -> Result<Outcome, Error> {
    let nothing_reserved = stock == Stock::NotTaken;
    match store::settle::reject(&app.db, attempt.id, &refusal, nothing_reserved).await? {
        Rejection::Lost => return ended(app, attempt.id).await,
        Rejection::ToRelease => outbox::deliver_now(app, &attempt.delivery(Kind::ReleaseStock)).await,
        Rejection::Done => {}
    }
    Ok(Outcome::Rejected(refusal))
}

/// What somebody else has made of an attempt.
async fn ended(app: &App, id: Uuid) -> Result<Outcome, Error> {
    store::attempts::outcome(&app.db, id).await?.ok_or(Error::StillPlacing)
}

/// What to make of a call for stock that failed.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The attempt's stock was given back: it is over.
    Released,
    /// It will fail again.
    Hopeless,
    /// It may succeed another time.
    Later,
}

fn judge(cause: &Status, attempts: i32) -> Verdict {
    if reason(cause) == "reservation_released" {
        return Verdict::Released;
    }
    match cause.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Cancelled
        | Code::Aborted => Verdict::Later,
        Code::InvalidArgument
        | Code::OutOfRange
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition => Verdict::Hopeless,
        // Faults of the catalog, or between it and us: they may pass.
        Code::Ok
        | Code::Unknown
        | Code::Internal
        | Code::DataLoss
        | Code::Unimplemented
        | Code::PermissionDenied
        | Code::Unauthenticated => {
            if attempts < MAX_ODD_FAILURES {
                Verdict::Later
            } else {
                Verdict::Hopeless
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_waited_out_and_refusals_are_final() {
        assert_eq!(judge(&Status::unavailable(""), i32::MAX), Verdict::Later);
        assert_eq!(judge(&Status::deadline_exceeded(""), i32::MAX), Verdict::Later);
        assert_eq!(judge(&Status::invalid_argument(""), 0), Verdict::Hopeless);
        assert_eq!(judge(&Status::failed_precondition(""), 0), Verdict::Hopeless);
    }

    #[test]
    fn odd_failures_are_given_some_chances() {
        assert_eq!(judge(&Status::internal(""), 0), Verdict::Later);
        assert_eq!(judge(&Status::internal(""), MAX_ODD_FAILURES), Verdict::Hopeless);
    }

    #[test]
    fn stock_that_was_given_back_is_known_by_its_reason() {
        let cause = bodega_runtime::status::refusal(Code::FailedPrecondition, "reservation_released", "");
        assert_eq!(judge(&cause, 0), Verdict::Released);
    }
}
