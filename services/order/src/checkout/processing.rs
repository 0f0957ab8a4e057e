//! From an attempt to its end: an order, or a rejection.
//!
//! One driver at a time has an attempt's lease, which spares the catalog a stampede; nothing depends on it. Two drivers
//! of one attempt are answered alike, or the one that is refused finds that the other has ended it.

use std::time::Duration;

use bodega_proto::catalog::v1::{Reserved, reserve_response};
use bodega_runtime::status::reason;
use tokio::time::{Instant, error::Elapsed, sleep, timeout};
use tonic::Status;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    App, backoff, bounds,
    error::Error,
    neighbours::Failure,
    order::{Attempt, Outcome, price},
    outbox::{self, Kind},
    rejection::Rejection,
    store::{self, settle::Rejected},
};

/// How soon those who wait for another driver first look how far it is, and how long they leave it at most.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// An attempt that fails in a way that waiting should not mend is withdrawn after so many tries.
const MAX_ODD_FAILURES: i32 = 5;

/// How an attempt ended. Waits for whoever drives it, for as long as the caller does; drives it where nobody does.
pub(crate) async fn to_the_end(app: &App, id: Uuid) -> Result<Outcome, Error> {
    let patience = bounds::patience();
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

/// Drives an attempt to its end, in the time that its lease gives, and tells the neighbours of it.
///
/// # Errors
/// The catalog's, when it cannot tell now; the attempt is left to whoever comes next.
pub(crate) async fn drive(app: &App, attempt: &Attempt) -> Result<Outcome, Error> {
    tell(app, attempt, timeout(bounds::WORK, end(app, attempt)).await).await
}

/// Ends an attempt that will not become an order.
pub(crate) async fn withdraw(app: &App, attempt: &Attempt) -> Result<Outcome, Error> {
    let rejected = reject(app, attempt, Rejection::Withdrawn, Stock::MaybeTaken);
    tell(app, attempt, timeout(bounds::WORK, rejected).await).await
}

/// An attempt's end, and what a neighbour is to be told of it.
type End = Result<(Outcome, Option<Kind>), Error>;

async fn tell(app: &App, attempt: &Attempt, ended: Result<End, Elapsed>) -> Result<Outcome, Error> {
    let (outcome, news) = ended.unwrap_or(Err(Error::StillPlacing))?;
    if let Some(kind) = news {
        outbox::deliver_now(app, &attempt.delivery(kind)).await;
    }
    Ok(outcome)
}

async fn end(app: &App, attempt: &Attempt) -> End {
    match app.neighbours.reserve(attempt.id, &attempt.lines).await {
        Ok(reserve_response::Outcome::Reserved(reserved)) => settle(app, attempt, reserved).await,
        Ok(reserve_response::Outcome::InsufficientStock(short)) => {
            reject(app, attempt, Rejection::short(short), Stock::NotTaken).await
        }
        Err(cause) => match judge(&cause, attempt.attempts) {
            Verdict::Released => reject(app, attempt, Rejection::Withdrawn, Stock::NotTaken).await,
            Verdict::Hopeless => {
                warn!(order.id = %attempt.id, "Withdrawing order {}: the catalog answered {cause}", attempt.id);
                reject(app, attempt, Rejection::Withdrawn, Stock::MaybeTaken).await
            }
            Verdict::Later => {
                store::attempts::leave(&app.db, attempt, backoff::pause(attempt.attempts)).await?;
                Err(Error::Upstream(cause))
            }
        },
    }
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
async fn settle(app: &App, attempt: &Attempt, reserved: Reserved) -> End {
    let Some(priced) = price(&attempt.lines, reserved) else {
        warn!(order.id = %attempt.id, "Withdrawing order {}: its stock is not what was asked for", attempt.id);
        return reject(app, attempt, Rejection::Withdrawn, Stock::MaybeTaken).await;
    };
    if let Some(rejection) = Rejection::of_price(attempt, &priced) {
        return reject(app, attempt, rejection, Stock::MaybeTaken).await;
    }
    if !store::settle::place(&app.db, attempt, &priced).await? {
        return as_others_ended(app, attempt.id).await;
    }
    info!(order.id = %attempt.id, "Placed order {}", attempt.id);
    Ok((Outcome::Placed, Some(Kind::ClearCart)))
}

async fn reject(app: &App, attempt: &Attempt, rejection: Rejection, stock: Stock) -> End {
    let nothing_reserved = stock == Stock::NotTaken;
    let news = match store::settle::reject(&app.db, attempt.id, &rejection, nothing_reserved).await? {
        Rejected::Lost => return as_others_ended(app, attempt.id).await,
        Rejected::ToRelease => Some(Kind::ReleaseStock),
        Rejected::Done => None,
    };
    Ok((Outcome::Rejected(rejection), news))
}

/// What somebody else has made of an attempt.
async fn as_others_ended(app: &App, id: Uuid) -> End {
    let outcome = store::attempts::outcome(&app.db, id).await?.ok_or(Error::StillPlacing)?;
    Ok((outcome, None))
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
    match Failure::of(cause) {
        Failure::Rejection => Verdict::Hopeless,
        Failure::Fault if attempts >= MAX_ODD_FAILURES => Verdict::Hopeless,
        Failure::Fault | Failure::Outage => Verdict::Later,
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
        let cause =
            bodega_runtime::status::rejected(tonic::Code::FailedPrecondition, "reservation_released", "");
        assert_eq!(judge(&cause, 0), Verdict::Released);
    }
}
