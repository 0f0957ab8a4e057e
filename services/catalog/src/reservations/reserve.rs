//! Reserving stock for an order.

use bodega_runtime::{
    database::{Pool, retry_on_conflict},
    money::Currency,
};
use uuid::Uuid;

use super::{
    db::{self, LockedProduct, ReservationStatus, ReservedLine},
    quantities::Quantities,
};
use crate::error::Error;

#[derive(Debug)]
pub(crate) enum Outcome {
    /// At least one line; all have the same currency.
    Reserved(Vec<ReservedLine>),
    /// The lines that cannot be reserved. Nothing was reserved.
    InsufficientStock(Vec<InsufficientStockLine>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InsufficientStockLine {
    pub(crate) product_id: i32,
    /// Empty if the product never existed.
    pub(crate) name: String,
    pub(crate) requested: i32,
    pub(crate) available: i32,
}

/// Reserves stock for an order: all quantities or none. Returns the existing lines if the order already has a
/// reservation, even if its quantities differ.
///
/// # Errors
/// [`Error::ReservationReleased`] if the order was released.
pub(crate) async fn reserve(
    db: &Pool,
    currency: Currency,
    order_id: Uuid,
    quantities: &Quantities,
) -> Result<Outcome, Error> {
    retry_on_conflict(|| try_reserve(db, currency, order_id, quantities)).await
}

async fn try_reserve(
    db: &Pool,
    currency: Currency,
    order_id: Uuid,
    quantities: &Quantities,
) -> Result<Outcome, Error> {
    let mut transaction = db.begin().await?;
    if !db::insert(&mut *transaction, order_id, ReservationStatus::Reserved).await? {
        return match db::status(&mut *transaction, order_id).await? {
            ReservationStatus::Reserved => {
                Ok(Outcome::Reserved(db::lines(&mut *transaction, order_id).await?))
            }
            ReservationStatus::Released => Err(Error::ReservationReleased),
        };
    }

    let product_ids: Vec<_> = quantities.keys().copied().collect();
    let products = db::lock_products(&mut *transaction, &product_ids).await?;
    let insufficient = find_insufficient(quantities, &products, currency);
    if !insufficient.is_empty() {
        // Undoes the reservation's row too, so that the order can retry once there is enough stock.
        transaction.rollback().await?;
        return Ok(Outcome::InsufficientStock(insufficient));
    }
    db::take_stock(&mut *transaction, order_id, quantities).await?;
    transaction.commit().await?;

    let lines = products.into_iter().zip(quantities.values()).map(|(product, quantity)| ReservedLine {
        product_id: product.id,
        name: product.name,
        price_minor: product.price_minor,
        currency: product.currency,
        quantity: *quantity,
    });
    Ok(Outcome::Reserved(lines.collect()))
}

/// Returns the lines without enough stock, ordered by product id.
fn find_insufficient(
    quantities: &Quantities,
    products: &[LockedProduct],
    currency: Currency,
) -> Vec<InsufficientStockLine> {
    let lines = quantities.iter().filter_map(|(&product_id, &requested)| {
        let product = products.iter().find(|product| product.id == product_id);
        let available = product.map_or(0, |product| available(product, currency));
        let name = product.map(|product| product.name.clone()).unwrap_or_default();
        (available < requested).then_some(InsufficientStockLine { product_id, name, requested, available })
    });
    lines.collect()
}

/// Returns the units that an order in this currency can reserve. A product that still has a price in a former currency
/// of the store cannot be sold until it gets a new price, because all lines of an order have the same currency.
fn available(product: &LockedProduct, currency: Currency) -> i32 {
    if product.archived || product.currency != currency.code() { 0 } else { product.stock }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(id: i32, stock: i32) -> LockedProduct {
        let name = format!("product {id}");
        LockedProduct { id, name, price_minor: 100, currency: "USD".to_owned(), stock, archived: false }
    }

    #[test]
    fn unknown_and_archived_products_and_those_in_another_currency_are_not_available() {
        let currency: Currency = "USD".parse().unwrap();
        let archived = LockedProduct { archived: true, ..product(2, 9) };
        let foreign = LockedProduct { currency: "EUR".to_owned(), ..product(3, 9) };
        let requested = Quantities::from([(1, 9), (2, 1), (3, 1), (4, 1), (5, 10)]);
        let products = [product(1, 9), archived, foreign, product(5, 9)];
        let insufficient = find_insufficient(&requested, &products, currency);
        let found: Vec<_> =
            insufficient.iter().map(|line| (line.product_id, line.name.as_str(), line.available)).collect();
        assert_eq!(found, [(2, "product 2", 0), (3, "product 3", 0), (4, "", 0), (5, "product 5", 9)]);
    }
}
