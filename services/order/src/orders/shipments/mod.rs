//! Shipments of parts of an order. An order is shipped when all its units have left, except for those that were refunded before.

pub(crate) mod db;

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::Caller,
    database::retry_on_conflict,
    status::{Violations, violated_constraint},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::info;
use uuid::Uuid;

use self::db::{NewShipment, UnshippedLine};
use super::{
    db::{self as orders, Shipment},
    status::OrderStatus,
};
use crate::{
    AUDIT,
    app::App,
    error::Error,
    fields::{check_idempotency_key, check_lines},
    payments::{
        order_payments::OrderPayments,
        update::{log_changes, update_in},
    },
};

const MAX_TEXT_LENGTH: usize = 100;
const MAX_URL_LENGTH: usize = 500;

/// A parcel that an admin has sent. It is stored with the shipment if it has an idempotency key, which then cannot be used for
/// another request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShipmentRequest {
    pub order_id: Uuid,
    /// Product ids and quantities, each product once; empty for all units that are left.
    pub lines: Vec<(i32, i32)>,
    pub carrier: Option<String>,
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
}

impl ShipmentRequest {
    /// Validates the request and its idempotency key, of which an empty one stands for none.
    ///
    /// # Errors
    /// The invalid fields.
    pub(crate) fn validate(&self, idempotency_key: &str) -> Result<(), Violations> {
        let mut violations = Violations::new();
        check_idempotency_key(idempotency_key, &mut violations);
        check_lines(&self.lines, &mut violations);
        for (name, text) in [("carrier", &self.carrier), ("tracking_number", &self.tracking_number)] {
            if let Some(text) = text {
                violations.require_line(text, 1, MAX_TEXT_LENGTH, name);
            }
        }
        if let Some(url) = &self.tracking_url {
            // The parser removes control characters, but the text is stored and mailed as it is.
            let is_url = !url.contains(char::is_control)
                && reqwest::Url::parse(url)
                    .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
            violations.require(
                is_url && url.len() <= MAX_URL_LENGTH,
                "tracking_url",
                format!("must be an http or https URL of at most {MAX_URL_LENGTH} bytes"),
            );
        }
        violations.finish()
    }

    /// Returns the units of the parcel, and whether no others are left to ship.
    ///
    /// # Errors
    /// [`Error::NothingToShip`], [`Error::ShipmentExceedsOrder`], and lines that the order does not have.
    fn units(&self, unshipped: &[UnshippedLine]) -> Result<(Vec<(i32, i32)>, bool), Error> {
        let left = || unshipped.iter().filter(|line| line.left > 0);
        if left().next().is_none() {
            return Err(Error::NothingToShip);
        }
        if self.lines.is_empty() {
            return Ok((left().map(|line| (line.product_id, line.left)).collect(), true));
        }
        let (mut unknown, mut exceeding) = (Violations::new(), Violations::new());
        for (index, (product_id, quantity)) in self.lines.iter().enumerate() {
            match unshipped.iter().find(|line| line.product_id == *product_id) {
                None => unknown.add(format!("lines[{index}].variant_id"), "is not a line of the order"),
                Some(line) if *quantity > line.left => {
                    let message = format!("only {} left to ship", line.left);
                    exceeding.add(format!("lines[{index}].quantity"), message);
                }
                Some(_) => {}
            }
        }
        unknown.finish()?;
        exceeding.finish().map_err(Error::ShipmentExceedsOrder)?;
        let is_whole = |line: &UnshippedLine| self.lines.contains(&(line.product_id, line.left));
        Ok((self.lines.clone(), left().all(is_whole)))
    }
}

/// Ships units of an order. The order is shipped if no others are left. An `idempotency_key` that is not empty gives one shipment.
///
/// # Errors
/// [`Error::OrderNotFound`], [`Error::NotShippable`], [`Error::NothingToShip`], [`Error::ShipmentExceedsOrder`],
/// [`Error::IdempotencyKeyReused`], and invalid lines.
pub(crate) async fn create_shipment(
    app: &App,
    request: &ShipmentRequest,
    idempotency_key: &str,
    caller: &Caller,
) -> Result<Shipment, Error> {
    let create = || create_in_transaction(app, request, idempotency_key, caller);
    let (shipment_id, payments) = match retry_on_conflict(create).await {
        Err(Error::Database(error)) if violated_constraint(&error) == Some("one_shipment_per_key") => {
            return Err(Error::IdempotencyKeyReused);
        }
        created => created?,
    };
    if let Some(payments) = payments {
        log_changes(&payments);
    }
    let order = orders::find(&app.db, request.order_id, None).await?.ok_or(Error::OrderNotFound)?;
    order.shipments.into_iter().find(|shipment| shipment.id == shipment_id).ok_or(Error::OrderNotFound)
}

/// Returns the id of the shipment, and the order if it was shipped.
async fn create_in_transaction(
    app: &App,
    request: &ShipmentRequest,
    idempotency_key: &str,
    caller: &Caller,
) -> Result<(Uuid, Option<OrderPayments>), Error> {
    let order_id = request.order_id;
    let mut transaction = app.db.begin().await?;
    let status = db::lock_order(&mut transaction, order_id).await?.ok_or(Error::OrderNotFound)?;
    // After the lock, so that the shipment of a concurrent call with the same key is found.
    if !idempotency_key.is_empty()
        && let Some((shipment_id, earlier)) =
            db::find_by_key(&mut transaction, caller.user_id, idempotency_key).await?
    {
        return if earlier == *request { Ok((shipment_id, None)) } else { Err(Error::IdempotencyKeyReused) };
    }
    if !status.can_become(OrderStatus::Shipped) {
        return Err(Error::NotShippable(status));
    }
    let unshipped = db::unshipped_lines(&mut transaction, order_id).await?;
    let (units, is_last) = request.units(&unshipped)?;
    let id = Uuid::now_v7();
    let created_by = caller.user_id;
    let shipment = NewShipment { id, request, units: &units, is_last, idempotency_key, created_by };
    db::insert(&mut transaction, &shipment).await?;
    let mut shipped = None;
    if is_last {
        let ship =
            |payments: &mut OrderPayments| payments.change_status(OrderStatus::Shipped, Some(created_by));
        shipped =
            update_in(app, &mut transaction, order_id, None, ship).await?.map(|(payments, ())| payments);
    }
    let count: i32 = units.iter().map(|(_, quantity)| quantity).sum();
    let event = Event::new("shipment.created", caller).on(Subject::new("order", order_id));
    let details = json!({ "shipmentId": id, "units": count, "isLast": is_last });
    AUDIT.record(&mut transaction, event.details(details)).await?;
    transaction.commit().await?;
    info!(order.id = %order_id, shipment.id = %id, "shipment created");
    Ok((id, shipped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[(i32, i32)]) -> ShipmentRequest {
        ShipmentRequest {
            order_id: Uuid::nil(),
            lines: lines.to_vec(),
            carrier: None,
            tracking_number: None,
            tracking_url: None,
        }
    }

    #[test]
    fn the_last_shipment_has_all_units_that_are_left() {
        let line = |product_id, left| UnshippedLine { product_id, left };
        let unshipped = [line(1, 2), line(2, 0), line(3, 1)];
        let units = |lines: &[(i32, i32)]| request(lines).units(&unshipped);
        assert_eq!(units(&[]).unwrap(), (vec![(1, 2), (3, 1)], true));
        assert_eq!(units(&[(1, 1)]).unwrap(), (vec![(1, 1)], false));
        assert_eq!(units(&[(1, 2)]).unwrap(), (vec![(1, 2)], false));
        assert_eq!(units(&[(3, 1), (1, 2)]).unwrap(), (vec![(3, 1), (1, 2)], true));
        for lines in [(1, 3), (2, 1)] {
            assert!(matches!(units(&[lines]), Err(Error::ShipmentExceedsOrder(_))), "{lines:?}");
        }
        assert!(matches!(units(&[(7, 1)]), Err(Error::InvalidFields(_))));
        assert!(matches!(request(&[]).units(&[line(1, 0)]), Err(Error::NothingToShip)));
    }

    #[test]
    fn rejects_invalid_requests_and_names_the_fields() {
        let fields = |request: ShipmentRequest| {
            request.validate("").err().map(|violations| violations.to_string()).unwrap_or_default()
        };
        assert_eq!(fields(request(&[(1, 1)])), "");
        assert!(fields(request(&[(1, 0)])).starts_with("lines[0].quantity"));
        assert!(fields(request(&[(1, 1), (1, 1)])).starts_with("lines[1].variant_id"));
        let url = |url: &str| fields(ShipmentRequest { tracking_url: Some(url.to_owned()), ..request(&[]) });
        assert_eq!(url("https://carrier.example/track?n=1"), "");
        for invalid in [
            "",
            "javascript:alert(1)",
            "/track",
            "ftp://carrier.example/",
            "https://carrier.example/\0x",
            "https://carrier.example/\nx",
            "https://carrier.example/\u{85}",
            "https://carrier.example/\r\n",
        ] {
            assert!(url(invalid).starts_with("tracking_url"), "{invalid}");
        }
        let carrier = Some("DHL\nBcc: x".to_owned());
        assert!(fields(ShipmentRequest { carrier, ..request(&[]) }).starts_with("carrier"));
    }
}
