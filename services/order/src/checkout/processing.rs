//! Processes a checkout: reserves the stock, then places the order or rejects the checkout.
//!
//! One process at a time has the lease of a checkout, which spares the catalog duplicate calls; correctness does not depend
//! on it. If two processes work on one checkout, both get the same reservation, or the one whose reservation is rejected
//! finds that the other one has ended the checkout.

use bodega_proto::catalog::v1::{Reserved, reserve_response};
use bodega_runtime::{status::reason, timeouts::WORK};
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    db::{
        checkouts::{self, Checkout, Outcome},
        combined::{Placement, PricedCheckout},
        completion::{self, Rejected},
    },
    place_order::{PlacedOrder, ProductVersion},
    pricing::{PricedLines, Unpriced, price},
    pricing_inputs::{self, Inputs},
    rejection::Rejection,
};
use crate::{
    app::App,
    backoff::{RETRY, WAIT},
    detached::call_deadline,
    error::Error,
    metrics,
    orders::{
        db::{Event, Item, Order},
        status::OrderStatus,
    },
    outbox::{
        db::{Delivery, DeliveryKind},
        deliveries,
    },
    upstream::Failure,
};

/// How often a checkout is priced, if the last uses of its discounts are taken by others meanwhile.
const MAX_PRICINGS: usize = 3;

/// A checkout is withdrawn after this many unexpected errors of the catalog.
const MAX_FAULTS: i32 = 5;

/// Returns the outcome of a checkout. Processes it if no other process has its lease, and otherwise waits until the caller's
/// deadline.
pub(crate) async fn run_to_completion(app: &App, id: Uuid) -> Result<Outcome, Error> {
    let deadline = call_deadline();
    for checks in 0.. {
        if let Some(outcome) = checkouts::outcome(&app.db, id).await? {
            return Ok(outcome);
        }
        if let Some(checkout) = checkouts::claim(&app.db, id).await? {
            return process(app, &checkout).await;
        }
        if Instant::now() > deadline {
            break;
        }
        sleep(WAIT.pause(checks)).await;
    }
    Err(Error::StillPlacing)
}

/// Processes a checkout whose lease this process holds, and makes the call that follows from its outcome.
///
/// # Errors
/// Errors of the catalog and the database. The next call or the recovery worker then continues.
pub(crate) async fn process(app: &App, checkout: &Checkout) -> Result<Outcome, Error> {
    let work = timeout(WORK, reserve_and_settle(app, checkout));
    let end = work.await.unwrap_or(Err(Error::StillPlacing))?;
    Ok(deliver(app, checkout, end).await)
}

/// Withdraws a checkout, which then never becomes an order.
pub(crate) async fn withdraw(app: &App, checkout: &Checkout) -> Result<Outcome, Error> {
    let work = timeout(WORK, reject(app, checkout, Rejection::Withdrawn, Stock::MaybeReserved));
    let end = work.await.unwrap_or(Err(Error::StillPlacing))?;
    Ok(deliver(app, checkout, end).await)
}

/// The outcome of a checkout, and the call to another service that follows from it.
struct End {
    outcome: Outcome,
    delivery: Option<DeliveryKind>,
}

async fn deliver(app: &App, checkout: &Checkout, end: End) -> Outcome {
    if let Some(kind) = end.delivery {
        let Checkout { id, user_id: cart_owner, lines, traceparent, .. } = checkout.clone();
        let refunds = Vec::new();
        let delivery = Delivery { order_id: id, kind, attempts: 0, cart_owner, lines, refunds, traceparent };
        deliveries::deliver_inline(app, &delivery).await;
    }
    end.outcome
}

async fn reserve_and_settle(app: &App, checkout: &Checkout) -> Result<End, Error> {
    let id = checkout.id;
    match app.upstreams.reserve(id, &checkout.lines).await {
        Ok(reserve_response::Outcome::Reserved(reserved)) => settle(app, checkout, reserved).await,
        Ok(reserve_response::Outcome::InsufficientStock(short)) => {
            reject(app, checkout, Rejection::out_of_stock(short), Stock::NotReserved).await
        }
        Err(error) => match classify(&error, checkout.attempts) {
            Verdict::Released => reject(app, checkout, Rejection::Withdrawn, Stock::NotReserved).await,
            Verdict::Withdraw => {
                warn!(order.id = %id, "reservation failed, withdrawing the order: {error}");
                reject(app, checkout, Rejection::Withdrawn, Stock::MaybeReserved).await
            }
            Verdict::Retry => {
                checkouts::release(&app.db, checkout, RETRY.pause(checkout.attempts)).await?;
                Err(Error::Upstream(error))
            }
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stock {
    /// This process has reserved none.
    NotReserved,
    MaybeReserved,
}

/// Places the order at the prices at which its stock was reserved, with the store's rules of now.
async fn settle(app: &App, checkout: &Checkout, reserved: Reserved) -> Result<End, Error> {
    let Checkout { id, form, .. } = checkout;
    let (id, codes) = (*id, &form.choices.discount_codes);
    let versions = reserved.lines.iter().filter_map(|line| {
        // The version of a variant is that of its product.
        let product_id = if line.variant_of == 0 { line.product_id } else { line.variant_of };
        line.version.map(|version| ProductVersion { product_id, version })
    });
    let product_versions = versions.collect();
    let mut attempts = 0;
    let (priced, placement) = loop {
        let inputs = match checkout.has_rules {
            true => pricing_inputs::load(&app.db, form.place().as_ref(), codes, checkout.account()).await?,
            false => Inputs::without_rules(codes),
        };
        let priced = match price(&checkout.lines, &reserved, form, &inputs) {
            Ok(priced) => priced,
            Err(error) => {
                if error == Unpriced::Invalid {
                    warn!(order.id = %id, "reservation does not match the order, withdrawing it");
                }
                return reject(app, checkout, Rejection::unpriced(error), Stock::MaybeReserved).await;
            }
        };
        let expected = checkout.expected_total_minor;
        let changed = Rejection::price_changed(expected, &checkout.lines, &priced, checkout.has_rules);
        if let Some(rejection) = changed {
            return reject(app, checkout, rejection, Stock::MaybeReserved).await;
        }
        let placing = PricedCheckout { checkout: checkout.clone(), priced: priced.clone() };
        match app.statements.place(placing).await {
            Ok(Some(placement)) => break (priced, placement),
            Ok(None) => return outcome_of_another_process(app, id).await,
            // The next inputs do not offer the discount any more, unless cancelled orders return uses all the time.
            Err(Error::Database(error)) if pricing_inputs::is_exhausted(&error) => {
                attempts += 1;
                if attempts == MAX_PRICINGS {
                    checkouts::release(&app.db, checkout, RETRY.pause(checkout.attempts)).await?;
                    return Err(Error::StillPlacing);
                }
            }
            Err(error) => return Err(error),
        }
    };
    info!(order.id = %id, "order placed");
    metrics::order_placed(priced.total_minor, &priced.currency);
    let order = placed_order(checkout, priced, placement);
    let placed = PlacedOrder { order, product_versions, access_token: None };
    Ok(End { outcome: Outcome::Placed(Some(placed.into())), delivery: Some(DeliveryKind::ClearCart) })
}

/// Returns an order as it was stored when it was placed.
fn placed_order(checkout: &Checkout, priced: PricedLines, placement: Placement) -> Order {
    let Placement { number, placed_at } = placement;
    let items = checkout.lines.iter().zip(priced.prices).map(|(line, price)| Item {
        product_id: line.product_id,
        name: price.name,
        price_minor: price.price_minor,
        quantity: line.quantity,
        discount_minor: Some(price.discount_minor),
        tax_minor: Some(price.tax_minor),
        total_minor: Some(price.total_minor),
        variant_of: price.variant_of,
        sku: price.sku,
        variant_name: price.variant_name,
    });
    let mut items: Vec<_> = items.collect();
    items.sort_unstable_by_key(|item| item.product_id);
    let status = OrderStatus::Pending;
    Order {
        id: checkout.id,
        user_id: checkout.account(),
        number: Some(number),
        items,
        breakdown: Some(priced.breakdown),
        form: checkout.form.0.clone(),
        total_minor: priced.total_minor,
        currency: priced.currency,
        status,
        payment: None,
        history: vec![Event {
            status,
            payment_status: None,
            payment_cancelled: false,
            created_at: placed_at,
        }],
        refunds: Vec::new(),
        shipments: Vec::new(),
        placed_at,
        updated_at: placed_at,
    }
}

async fn reject(app: &App, checkout: &Checkout, rejection: Rejection, stock: Stock) -> Result<End, Error> {
    let nothing_reserved = stock == Stock::NotReserved;
    let rejected = completion::reject(&app.db, checkout.id, &rejection, nothing_reserved).await?;
    let delivery = match rejected {
        Rejected::AlreadyEnded => return outcome_of_another_process(app, checkout.id).await,
        Rejected::ReleaseStock => Some(DeliveryKind::ReleaseStock),
        Rejected::NothingToRelease => None,
    };
    metrics::checkout_rejected(&rejection);
    Ok(End { outcome: Outcome::Rejected(rejection), delivery })
}

async fn outcome_of_another_process(app: &App, id: Uuid) -> Result<End, Error> {
    let outcome = checkouts::outcome(&app.db, id).await?.ok_or(Error::StillPlacing)?;
    Ok(End { outcome, delivery: None })
}

/// The consequence of a failed reservation.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The catalog has already released the stock of the checkout, so the checkout has ended.
    Released,
    /// A retry would fail as well.
    Withdraw,
    Retry,
}

fn classify(error: &Status, attempts: i32) -> Verdict {
    if reason(error) == "reservation_released" {
        return Verdict::Released;
    }
    match Failure::of(error) {
        Failure::Rejection => Verdict::Withdraw,
        Failure::Fault if attempts >= MAX_FAULTS => Verdict::Withdraw,
        Failure::Fault | Failure::Outage => Verdict::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_retried_and_rejections_are_final() {
        assert_eq!(classify(&Status::unavailable(""), i32::MAX), Verdict::Retry);
        assert_eq!(classify(&Status::deadline_exceeded(""), i32::MAX), Verdict::Retry);
        assert_eq!(classify(&Status::invalid_argument(""), 0), Verdict::Withdraw);
        assert_eq!(classify(&Status::failed_precondition(""), 0), Verdict::Withdraw);
    }

    #[test]
    fn unexpected_errors_are_retried_a_few_times() {
        assert_eq!(classify(&Status::internal(""), 0), Verdict::Retry);
        assert_eq!(classify(&Status::internal(""), MAX_FAULTS), Verdict::Withdraw);
    }

    #[test]
    fn released_reservations_are_recognized_by_their_reason() {
        let error =
            bodega_runtime::status::rejected(tonic::Code::FailedPrecondition, "reservation_released", "");
        assert_eq!(classify(&error, 0), Verdict::Released);
    }
}
