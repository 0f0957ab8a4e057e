//! What neighbours must be told once an order has ended or moved: written with that, and told until they have heard.
//!
//! Whoever writes it tells it at once, as a rule; the loop takes what was left behind. Telling twice does no harm. What
//! a neighbour refuses to be told for good is set aside for a person to look at: waiting for it, its shopper could
//! never order again.

use bodega_runtime::worker::Worker;
use sqlx::types::Json;
use tokio::time::timeout;
use tracing::{error, warn};
use uuid::Uuid;

use crate::{
    App, backoff,
    bounds::{AT_ONCE, INLINE, INTERVAL, WORK},
    error::Error,
    neighbours::Failure,
    order::Line,
    store,
};

const WORKER: Worker = Worker {
    name: "what neighbours are to be told",
    interval: INTERVAL,
    concurrency: AT_ONCE,
    timeout: WORK,
};

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The cart: that its lines were ordered.
    ClearCart,
    /// The catalog: that the order's stock is free.
    ReleaseStock,
}

impl Kind {
    /// Its name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ClearCart => "clear_cart",
            Self::ReleaseStock => "release_stock",
        }
    }
}

/// Something that a neighbour is to be told of an order.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub order_id: Uuid,
    pub kind: Kind,
    /// How often the loop has tried.
    pub attempts: i32,
    /// Whose order it is.
    pub user_id: Uuid,
    /// The lines of the order.
    pub lines: Json<Vec<Line>>,
}

/// Tells the neighbour now, if it answers soon; else the loop will.
pub(crate) async fn deliver_now(app: &App, delivery: &Delivery) {
    match timeout(INLINE, deliver(app, delivery)).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => log(delivery, &cause),
        Err(_) => log(delivery, &"it took too long"),
    }
}

/// Tells what is to be told of an order now, if its neighbours answer soon; else the loop will.
pub(crate) async fn tell_now(app: &App, order_id: Uuid) {
    match timeout(INLINE, deliver_all_of(app, order_id)).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => warn!(order.id = %order_id, "Not yet delivered of order {order_id}: {cause}"),
        Err(_) => warn!(order.id = %order_id, "Not yet delivered of order {order_id}: it took too long"),
    }
}

/// Tells all that is still to be told of an order.
///
/// # Errors
/// The neighbour's, when it cannot be told now.
pub(crate) async fn deliver_all_of(app: &App, order_id: Uuid) -> Result<(), Error> {
    for delivery in store::outbox::of_order(&app.db, order_id).await? {
        deliver(app, &delivery).await?;
    }
    Ok(())
}

async fn deliver(app: &App, delivery: &Delivery) -> Result<(), Error> {
    let Delivery { order_id, kind, user_id, lines, .. } = delivery;
    let told = match kind {
        Kind::ClearCart => app.neighbours.clear_cart(*order_id, *user_id, lines).await,
        Kind::ReleaseStock => app.neighbours.release(*order_id).await,
    };
    match told {
        Ok(()) => store::outbox::delivered(&app.db, *order_id, *kind).await?,
        Err(rejection) if Failure::of(&rejection) == Failure::Rejection => {
            let kind_of = kind.as_str();
            error!(order.id = %order_id, "Refused for good: {kind_of} of order {order_id}: {rejection}");
            store::outbox::refused(&app.db, *order_id, *kind, &rejection.to_string()).await?;
        }
        Err(cause) => return Err(cause.into()),
    }
    Ok(())
}

/// Tells what was left behind, for as long as the service runs.
pub(crate) async fn run(app: App) {
    let claim = || store::outbox::claim(&app.db, AT_ONCE);
    let deliver = |delivery| deliver_or_postpone(&app, delivery);
    WORKER.run(claim, deliver).await;
}

async fn deliver_or_postpone(app: &App, delivery: Delivery) {
    let Err(cause) = deliver(app, &delivery).await else { return };
    log(&delivery, &cause);
    let pause = backoff::pause(delivery.attempts);
    if let Err(cause) = store::outbox::postpone(&app.db, delivery.order_id, delivery.kind, pause).await {
        log(&delivery, &cause);
    }
}

fn log(delivery: &Delivery, cause: &dyn std::fmt::Display) {
    let Delivery { order_id, kind, .. } = delivery;
    warn!(order.id = %order_id, "Not yet delivered: {} of order {order_id}: {cause}", kind.as_str());
}
