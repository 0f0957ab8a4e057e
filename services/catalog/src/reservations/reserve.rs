//! Reserving stock for orders.
//!
//! Concurrent calls are combined: one statement reserves for up to 64 orders, in the sequence of their calls. An order that
//! does not fit is left out and takes nothing from the orders after it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bodega_runtime::{
    combiner::{Combiner, MAX_BATCH},
    database::{Pool, retry_on_conflict},
    money::Currency,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    db::{self, Locked, RequestedLines},
    lines::{AttemptedLine, ReservationStatus, ReservedLine},
    quantities::Quantities,
};
use crate::{changes::Changes, error::Error, metrics};

/// Connections that may wait for locked products without a time limit of their own. The others remain available, however
/// many orders wait.
const MAX_WAITING: usize = 3;

#[derive(Debug)]
pub(crate) enum Outcome {
    /// At least one line, ordered by product id; all have the same currency.
    Reserved(Vec<ReservedLine>),
    /// The lines that cannot be reserved. Nothing was reserved.
    InsufficientStock(Vec<InsufficientStockLine>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InsufficientStockLine {
    pub(crate) product_id: i32,
    /// With the values of its options: `Shirt (M / red)`. Empty if the product never existed.
    pub(crate) name: String,
    pub(crate) requested: i32,
    pub(crate) available: i32,
}

/// An order that needs stock.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) order_id: Uuid,
    pub(crate) quantities: Arc<Quantities>,
}

/// The result of an order, or `None` if one of its products was locked.
type Attempt = Option<Result<Outcome, Error>>;

/// Reserves stock for orders: all quantities or none. Returns the existing lines if an order already has a reservation, even
/// if its quantities differ. An order that was released is rejected with [`Error::ReservationReleased`].
pub(super) fn combiner(db: Pool, currency: Currency, changes: Changes) -> Combiner<Request, Outcome, Error> {
    let stock = Arc::new(Stock { db, currency, changes, waiting: Semaphore::new(MAX_WAITING) });
    Combiner::new(
        "reservations",
        MAX_BATCH,
        |request: &Request| request.order_id,
        move |requests| {
            let stock = stock.clone();
            async move { stock.reserve_combined(&requests).await }
        },
    )
}

struct Stock {
    db: Pool,
    currency: Currency,
    changes: Changes,
    waiting: Semaphore,
}

impl Stock {
    /// Reserves for several orders, without those of locked products; or for one, which waits for its products.
    async fn reserve_combined(&self, requests: &[Request]) -> sqlx::Result<Vec<Attempt>> {
        match self.reserve(requests, Locked::WaitShortly).await {
            Err(error) if db::is_lock_timeout(&error) => {}
            result => return result,
        }
        if requests.len() > 1 {
            return self.reserve(requests, Locked::Skip).await;
        }
        let _permit = self.waiting.acquire().await;
        retry_on_conflict(|| self.reserve(requests, Locked::Wait)).await
    }

    async fn reserve(&self, requests: &[Request], locked: Locked) -> sqlx::Result<Vec<Attempt>> {
        let mut attempts = HashMap::with_capacity(requests.len());
        let mut pending: Vec<_> = requests.iter().collect();
        // Each pass finishes the first order at least, and usually all: an order remains only if the orders before it want so
        // much that nothing is left for it, and one of them gets nothing.
        while !pending.is_empty() {
            let lines = requested_lines(&pending);
            let mut attempted = BTreeMap::<_, Vec<_>>::new();
            for line in self.attempt(&lines, locked).await? {
                attempted.entry(line.order_id).or_default().push(line);
            }
            let mut others = Vec::new();
            for request in pending {
                let lines = attempted.remove(&request.order_id).unwrap_or_default();
                if lines.iter().all(|line| line.is_reserved) {
                    attempts.insert(request.order_id, Some(Ok(reserved(request, lines))));
                } else {
                    others.push((request, lines));
                }
            }
            // An order without enough stock may have been reserved by another process, before the stock was read but after the
            // statement began: it is rejected only if it still has no reservation.
            let mut existing = find_existing(&self.db, &others).await?;
            pending = Vec::new();
            for (request, lines) in others {
                let order_id = request.order_id;
                if let Some(existing) = existing.remove(&order_id) {
                    attempts.insert(order_id, Some(existing));
                } else if lines.iter().any(|line| line.is_locked) {
                    attempts.insert(order_id, None);
                } else {
                    match insufficient(&request.quantities, lines) {
                        short if short.is_empty() => pending.push(request),
                        short => {
                            attempts.insert(order_id, Some(Ok(Outcome::InsufficientStock(short))));
                        }
                    }
                }
            }
        }
        Ok(requests.iter().map(|request| attempts.remove(&request.order_id).flatten()).collect())
    }

    async fn attempt(&self, lines: &RequestedLines, locked: Locked) -> sqlx::Result<Vec<AttemptedLine>> {
        let lines = db::attempt(&self.db, lines, self.currency.code(), locked).await?;
        let changes: HashMap<_, _> = lines
            .iter()
            .filter_map(AttemptedLine::change)
            .map(|change| (change.product_id, change))
            .collect();
        if !changes.is_empty() {
            let changes: Vec<_> = changes.into_values().collect();
            self.changes.publish_stock(&changes);
            metrics::reserved(&changes);
        }
        Ok(lines)
    }
}

fn requested_lines(requests: &[&Request]) -> RequestedLines {
    let mut lines = RequestedLines::default();
    let mut sums = HashMap::<i32, i64>::new();
    for request in requests {
        for (&product_id, &quantity) in &*request.quantities {
            let sum = sums.entry(product_id).or_default();
            *sum += i64::from(quantity);
            lines.order_ids.push(request.order_id);
            lines.product_ids.push(product_id);
            lines.quantities.push(quantity);
            lines.sums.push(*sum);
        }
    }
    lines
}

fn reserved(request: &Request, mut lines: Vec<AttemptedLine>) -> Outcome {
    lines.sort_unstable_by_key(|line| line.product_id);
    let lines = lines.into_iter().zip(request.quantities.values());
    Outcome::Reserved(lines.map(|(line, quantity)| line.into_reserved(*quantity)).collect())
}

/// Returns the results of those orders that were reserved or released before.
async fn find_existing(
    db: &Pool,
    requests: &[(&Request, Vec<AttemptedLine>)],
) -> sqlx::Result<HashMap<Uuid, Result<Outcome, Error>>> {
    if requests.is_empty() {
        return Ok(HashMap::new());
    }
    let order_ids: Vec<_> = requests.iter().map(|(request, _)| request.order_id).collect();
    let mut existing = HashMap::new();
    for line in db::find(db, &order_ids).await? {
        let order_id = line.order_id;
        let result = existing.entry(order_id).or_insert_with(|| match line.status {
            ReservationStatus::Reserved => Ok(Outcome::Reserved(Vec::new())),
            ReservationStatus::Released => Err(Error::ReservationReleased),
        });
        if let (Ok(Outcome::Reserved(lines)), Some(line)) = (result, line.into_reserved()) {
            lines.push(line);
        }
    }
    Ok(existing)
}

/// Returns the lines without enough stock, ordered by product id. A product that is archived, or still has a price in a
/// former currency of the store, is not available: all lines of an order have the same currency.
fn insufficient(quantities: &Quantities, lines: Vec<AttemptedLine>) -> Vec<InsufficientStockLine> {
    let mut lines: Vec<_> = lines
        .into_iter()
        .filter_map(|line| {
            let requested = quantities.get(&line.product_id).copied().unwrap_or_default();
            (line.available < requested).then(|| InsufficientStockLine {
                product_id: line.product_id,
                name: line.full_name(),
                requested,
                available: line.available,
            })
        })
        .collect();
    lines.sort_unstable_by_key(|line| line.product_id);
    lines
}
