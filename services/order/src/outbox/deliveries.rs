//! Delivers stored calls. Usually the request that has stored a call also delivers it, and otherwise the worker does. A call
//! may be delivered twice.
//!
//! A delivery that its service rejects is not retried, but kept for an operator: otherwise it would block all later orders
//! of its user.

use bodega_runtime::{context::CallContext, telemetry, timeouts::INLINE_WORK};
use tokio::time::timeout;
use tracing::{Instrument as _, error, warn};
use uuid::Uuid;

use super::db::{self, Delivery, DeliveryKind};
use crate::{app::App, error::Error, payments::refunds::process, upstream::Failure};

/// Delivers a call if its service responds soon. Otherwise the worker delivers it later.
pub(crate) async fn deliver_inline(app: &App, delivery: &Delivery) {
    let Delivery { order_id, kind, .. } = delivery;
    match timeout(INLINE_WORK, deliver(app, delivery)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(order.id = %order_id, kind = kind.as_str(), "delivery failed, will be retried: {error}");
        }
        Err(_) => warn!(order.id = %order_id, kind = kind.as_str(), "delivery timed out, will be retried"),
    }
}

/// Delivers the pending calls of an order if their services respond soon. Otherwise the worker delivers them later.
pub(crate) async fn deliver_pending_inline(app: &App, order_id: Uuid) {
    match timeout(INLINE_WORK, deliver_pending(app, order_id)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(order.id = %order_id, "delivery failed, will be retried: {error}"),
        Err(_) => warn!(order.id = %order_id, "delivery timed out, will be retried"),
    }
}

/// Delivers the pending calls of an order.
///
/// # Errors
/// The first error of a service or the database.
pub(crate) async fn deliver_pending(app: &App, order_id: Uuid) -> Result<(), Error> {
    for delivery in db::find_pending(&app.db, order_id).await? {
        deliver(app, &delivery).await?;
    }
    Ok(())
}

/// Delivers a call, in a span that is linked to the call that has stored it.
pub(crate) async fn deliver(app: &App, delivery: &Delivery) -> Result<(), Error> {
    let traceparent = delivery.traceparent.as_deref();
    telemetry::process_stored(delivery.kind.span(), traceparent, deliver_linked(app, delivery)).await
}

async fn deliver_linked(app: &App, delivery: &Delivery) -> Result<(), Error> {
    let Delivery { order_id, kind, cart_owner, lines, refunds, .. } = delivery;
    let delivered = match kind {
        DeliveryKind::ClearCart => app.upstreams.clear_ordered(*order_id, *cart_owner, lines).await,
        DeliveryKind::ReleaseStock => {
            for refund_id in refunds {
                if !process::return_units(app, *order_id, *refund_id).await? {
                    return Err(Error::ProviderUnavailable(format!(
                        "refund {refund_id} is not accepted yet"
                    )));
                }
            }
            app.upstreams.release(*order_id).await
        }
    };
    match delivered {
        Ok(()) => complete(app, *order_id, *kind).await?,
        Err(error) if Failure::of(&error) == Failure::Rejection => {
            error!(order.id = %order_id, kind = kind.as_str(), "delivery rejected, will not be retried: {error}");
            db::reject(&app.db, *order_id, *kind, &error.to_string()).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Deletes a delivery that has succeeded. Nothing waits for the deletion of a delivery that has cleared a cart: it is
/// remembered instead, and made again if the process stops before.
async fn complete(app: &App, order_id: Uuid, kind: DeliveryKind) -> Result<(), Error> {
    match kind {
        DeliveryKind::ClearCart => {
            app.cleared_carts.insert(order_id);
            let statements = app.statements.clone();
            let delete = async move {
                if let Err(error) = statements.delete_clear_cart(order_id).await {
                    warn!(order.id = %order_id, "cannot delete the delivery, will be delivered again: {error}");
                }
            };
            tokio::spawn(CallContext::background().scope(delete).in_current_span());
        }
        DeliveryKind::ReleaseStock => db::delete(&app.db, order_id, kind).await?,
    }
    Ok(())
}
