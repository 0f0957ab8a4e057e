//! Stock reservations of orders: an order gets all of its lines or none, once, until it is released.

mod db;
mod lines;
mod quantities;
mod release;
mod reserve;
mod returns;

use std::sync::Arc;

use bodega_runtime::{combiner::Combiner, database::Pool, money::Currency};
use uuid::Uuid;

pub(crate) use self::{
    lines::ReservedLine,
    quantities::parse_lines,
    reserve::{InsufficientStockLine, Outcome},
};
use self::{quantities::Quantities, reserve::Request};
use crate::{changes::Changes, error::Error};

/// The reservations of all orders.
pub(crate) struct Reservations {
    db: Pool,
    changes: Changes,
    reserve: Combiner<Request, Outcome, Error>,
}

impl Reservations {
    /// All prices are in `currency`. Changes of the stock are published to `changes`.
    pub(crate) fn new(db: Pool, currency: Currency, changes: Changes) -> Self {
        Self { reserve: reserve::combiner(db.clone(), currency, changes.clone()), db, changes }
    }

    /// Reserves stock for an order: all quantities or none. Returns the existing lines if the order already has a
    /// reservation, even if its quantities differ.
    ///
    /// # Errors
    /// [`Error::ReservationReleased`] if the order was released.
    pub(crate) async fn reserve(&self, order_id: Uuid, quantities: Quantities) -> Result<Outcome, Error> {
        self.reserve.submit(Request { order_id, quantities: Arc::new(quantities) }).await
    }

    /// Adds the stock of an order back, once. An order without a reservation is recorded as released, so that a late
    /// reservation is rejected.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn release(&self, order_id: Uuid) -> Result<(), Error> {
        release::release(&self.db, &self.changes, order_id).await
    }

    /// Records that units of an order were returned, once per `return_id`, and adds them back to the stock if `restock` is
    /// true. A later release does not add them again. Does nothing if the order was released.
    ///
    /// # Errors
    /// Errors of the database; the constraint `returned_units_were_reserved` if more units are returned than reserved.
    pub(crate) async fn return_units(
        &self,
        return_id: Uuid,
        order_id: Uuid,
        quantities: &Quantities,
        restock: bool,
    ) -> Result<(), Error> {
        returns::return_units(&self.db, &self.changes, (return_id, order_id), quantities, restock).await
    }
}
