//! Returning units of an order.

use bodega_runtime::database::{Pool, retry_on_conflict};
use uuid::Uuid;

use super::{Quantities, db};
use crate::{changes::Changes, error::Error, metrics};

/// Records a return of units, once, and adds them back to the stock if `restock` is true.
pub(super) async fn return_units(
    db: &Pool,
    changes: &Changes,
    (return_id, order_id): (Uuid, Uuid),
    quantities: &Quantities,
    restock: bool,
) -> Result<(), Error> {
    let returned = retry_on_conflict(|| db::return_units(db, return_id, order_id, quantities, restock));
    let restocked = returned.await?;
    if !restocked.is_empty() {
        changes.publish_stock(&restocked);
        metrics::returned(&restocked);
    }
    Ok(())
}
