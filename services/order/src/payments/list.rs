//! Lists payments for admins.

use bodega_runtime::page;

use super::db::reviews::{self, Filter, ListedPayment};
use crate::{app::App, error::Error};

/// Returns a page of payments, the latest first, and the cursor of the next page.
pub(crate) async fn list_payments(app: &App, filter: Filter) -> Result<(Vec<ListedPayment>, String), Error> {
    let limit = filter.limit;
    // One more payment than fits on the page shows whether there is a next page.
    let filter = Filter { limit: limit + 1, ..filter };
    let mut payments = reviews::list(&app.db, &filter).await?;
    let next_cursor = page::truncate(&mut payments, limit, |payment| payment.id);
    Ok((payments, next_cursor))
}
