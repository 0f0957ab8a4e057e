//! Stock for orders: every line of an order or none, once, until it is given back.

use std::collections::BTreeMap;

use bodega_proto::catalog::v1 as pb;
use bodega_runtime::{database::retry_on_conflict, money::Currency, status::Violations};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    error::Error,
    store::{reservations, stock},
};

const MAX_LINES: usize = 200;
const MAX_QUANTITY: i32 = 1_000_000;

/// How many of which products an order wants: each product once. 200 lines of a million each still fit.
pub(crate) type Quantities = BTreeMap<i32, i32>;

/// What became of a reservation.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The order has its stock: at least one line, all in one currency.
    Reserved(Vec<ReservedLine>),
    /// These lines could not be had, so nothing was taken.
    Short(Vec<ShortLine>),
}

/// A line that an order has, by the name and price of the moment it got it.
#[derive(Debug)]
pub(crate) struct ReservedLine {
    pub(crate) product_id: i32,
    pub(crate) name: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) quantity: i32,
}

/// A line that could not be had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShortLine {
    pub(crate) product_id: i32,
    /// Empty when there never was such a product.
    pub(crate) name: String,
    pub(crate) wanted: i32,
    pub(crate) left: i32,
}

/// A locked product, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Goods {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) price_minor: i64,
    pub(crate) currency: String,
    pub(crate) stock: i32,
    pub(crate) archived: bool,
}

impl Goods {
    /// Units that an order in this currency can have.
    fn available(&self, currency: Currency) -> i32 {
        // An order has one currency; what is still priced in a former one of the shop's waits for a new price.
        if self.archived || self.currency != currency.code() { 0 } else { self.stock }
    }
}

/// Whether an order has its stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ReservationStatus {
    /// It has.
    Reserved,
    /// It gave it back, or is never to get any.
    Released,
}

impl ReservationStatus {
    /// Its name in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Released => "released",
        }
    }
}

/// What these lines want altogether.
///
/// # Errors
/// Names every line that cannot be.
pub(crate) fn sum_up(lines: &[pb::StockLine]) -> Result<Quantities, Violations> {
    let mut violations = Violations::new();
    violations.require((1..=MAX_LINES).contains(&lines.len()), "lines", format!("must be 1 to {MAX_LINES}"));
    let mut quantities = Quantities::new();
    for (index, line) in lines.iter().take(MAX_LINES).enumerate() {
        violations.require(
            (1..=MAX_QUANTITY).contains(&line.quantity),
            &format!("lines[{index}].quantity"),
            format!("must be 1 to {MAX_QUANTITY}"),
        );
        let sum = quantities.entry(line.product_id).or_default();
        *sum = line.quantity.saturating_add(*sum);
    }
    violations.finish()?;
    Ok(quantities)
}

/// Takes stock for an order: all of it or none. An order that has its stock is answered as the first time.
///
/// # Errors
/// [`Error::ReservationReleased`] once the order's stock was given back.
pub(crate) async fn reserve(
    db: &PgPool,
    currency: Currency,
    order_id: Uuid,
    quantities: &Quantities,
) -> Result<Outcome, Error> {
    retry_on_conflict(|| try_reserve(db, currency, order_id, quantities)).await
}

async fn try_reserve(
    db: &PgPool,
    currency: Currency,
    order_id: Uuid,
    quantities: &Quantities,
) -> Result<Outcome, Error> {
    let mut transaction = db.begin().await?;
    if !reservations::insert(&mut *transaction, order_id, ReservationStatus::Reserved).await? {
        return match reservations::status(&mut *transaction, order_id).await? {
            ReservationStatus::Reserved => {
                Ok(Outcome::Reserved(reservations::lines(&mut *transaction, order_id).await?))
            }
            ReservationStatus::Released => Err(Error::ReservationReleased),
        };
    }

    let product_ids: Vec<_> = quantities.keys().copied().collect();
    let goods = stock::lock(&mut transaction, &product_ids).await?;
    let short = find_short(quantities, &goods, currency);
    if !short.is_empty() {
        transaction.rollback().await?; // the reservation too: once there is enough, the order may try again
        return Ok(Outcome::Short(short));
    }
    stock::take(&mut transaction, order_id, quantities).await?;
    transaction.commit().await?;

    let lines = goods.into_iter().zip(quantities.values()).map(|(goods, quantity)| ReservedLine {
        product_id: goods.id,
        name: goods.name,
        price_minor: goods.price_minor,
        currency: goods.currency,
        quantity: *quantity,
    });
    Ok(Outcome::Reserved(lines.collect()))
}

/// The lines that cannot be had, by product id.
fn find_short(quantities: &Quantities, goods: &[Goods], currency: Currency) -> Vec<ShortLine> {
    let short = quantities.iter().filter_map(|(&product_id, &wanted)| {
        let found = goods.iter().find(|goods| goods.id == product_id);
        let left = found.map_or(0, |goods| goods.available(currency));
        let name = found.map(|goods| goods.name.clone()).unwrap_or_default();
        (left < wanted).then_some(ShortLine { product_id, name, wanted, left })
    });
    short.collect()
}

/// Gives an order's stock back, once. An order never seen is marked, so that it gets none any more.
///
/// # Errors
/// The database's.
pub(crate) async fn release(db: &PgPool, order_id: Uuid) -> Result<(), Error> {
    retry_on_conflict(|| try_release(db, order_id)).await
}

async fn try_release(db: &PgPool, order_id: Uuid) -> Result<(), Error> {
    let mut transaction = db.begin().await?;
    let is_unknown = reservations::insert(&mut *transaction, order_id, ReservationStatus::Released).await?;
    if !is_unknown && reservations::release(&mut *transaction, order_id).await? {
        stock::give_back(&mut transaction, order_id).await?;
    }
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(product_id: i32, quantity: i32) -> pb::StockLine {
        pb::StockLine { product_id, quantity }
    }

    fn goods(id: i32, stock: i32) -> Goods {
        let name = format!("product {id}");
        Goods { id, name, price_minor: 100, currency: "USD".to_owned(), stock, archived: false }
    }

    #[test]
    fn lines_of_the_same_product_are_added_up() {
        let sum = sum_up(&[line(7, 1), line(3, 2), line(7, MAX_QUANTITY)]).unwrap();
        assert_eq!(sum, Quantities::from([(3, 2), (7, MAX_QUANTITY + 1)]));
        let most = sum_up(&[line(1, MAX_QUANTITY); MAX_LINES]).unwrap();
        assert_eq!(most, Quantities::from([(1, 200_000_000)]));
    }

    #[test]
    fn every_line_that_cannot_be_is_named() {
        let violations = sum_up(&[line(1, 0), line(1, 1), line(2, MAX_QUANTITY + 1)]).unwrap_err();
        let message = violations.to_string();
        assert!(
            message.contains("lines[0]") && !message.contains("lines[1]") && message.contains("lines[2]")
        );
        assert!(sum_up(&[]).is_err());
        assert!(sum_up(&[line(1, 1); MAX_LINES + 1]).is_err());
    }

    #[test]
    fn what_is_unknown_archived_or_in_another_currency_cannot_be_had() {
        let currency: Currency = "USD".parse().unwrap();
        let archived = Goods { archived: true, ..goods(2, 9) };
        let foreign = Goods { currency: "EUR".to_owned(), ..goods(3, 9) };
        let wanted = Quantities::from([(1, 9), (2, 1), (3, 1), (4, 1), (5, 10)]);
        let short = find_short(&wanted, &[goods(1, 9), archived, foreign, goods(5, 9)], currency);
        let found: Vec<_> =
            short.iter().map(|line| (line.product_id, line.name.as_str(), line.left)).collect();
        assert_eq!(found, [(2, "product 2", 0), (3, "product 3", 0), (4, "", 0), (5, "product 5", 9)]);
    }
}
