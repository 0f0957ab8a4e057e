//! The metrics of the service: stock.

use bodega_runtime::{database::Pool, metrics::sample};
use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::changes::StockChange;

/// Variants that a sample counts at most.
const LIMIT: i64 = 10_000;

/// Adds the help texts, and begins the counters at 0.
pub(crate) fn start() {
    describe_counter!("stock_reserved_units_total", "Units of stock that were reserved for orders.");
    describe_counter!(
        "stock_released_units_total",
        "Units of stock that were reserved and have been released, because an order was not placed or was cancelled."
    );
    describe_counter!(
        "stock_returned_units_total",
        "Units of stock that were sold and have been added back, because they were refunded."
    );
    describe_gauge!(
        "stock_out_products",
        "Products on sale without stock, each variant by itself. At most 10,000 are counted."
    );
    describe_gauge!(
        "stock_low_products",
        "Products on sale with 1 to 5 units of stock, each variant by itself. At most 10,000 are counted."
    );
    reserved(&[]);
    released(&[]);
    returned(&[]);
}

/// Counts the stock that a statement has reserved.
pub(crate) fn reserved(changes: &[StockChange]) {
    counter!("stock_reserved_units_total").increment(units(changes));
}

/// Counts the stock that a statement has released.
pub(crate) fn released(changes: &[StockChange]) {
    counter!("stock_released_units_total").increment(units(changes));
}

/// Counts the stock that a statement has added back after a refund.
pub(crate) fn returned(changes: &[StockChange]) {
    counter!("stock_returned_units_total").increment(units(changes));
}

fn units(changes: &[StockChange]) -> u64 {
    changes.iter().map(|change| u64::from(change.delta.unsigned_abs())).sum()
}

/// Samples the stock until it is dropped.
pub(crate) async fn sample_stock(db: Pool) {
    sample("stock", || async {
        // All parts read an index, and none grows with the number of products.
        let stock = sqlx::query!(
            r#"select (select count(*) from (
                          select from catalog.products where is_sold_out and archived_at is null and is_sold is not false
                          union all
                          select from catalog.products where is_sold_out and is_sold and variant_of is not null
                          limit $1
                      ) as out) as "out!",
                      (select count(*) from (select from catalog.low_stock limit $1) as low) as "low!""#,
            LIMIT,
        );
        let stock = stock.fetch_one(&db).await?;
        gauge!("stock_out_products").set(f64::from(i32::try_from(stock.out).unwrap_or(i32::MAX)));
        gauge!("stock_low_products").set(f64::from(i32::try_from(stock.low).unwrap_or(i32::MAX)));
        Ok::<_, sqlx::Error>(())
    })
    .await;
}
