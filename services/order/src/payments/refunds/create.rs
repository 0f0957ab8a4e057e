//! Creates a refund of a part of a payment.

use bodega_audit::{Event, Subject};
use bodega_runtime::{
    auth::Caller,
    database::retry_on_conflict,
    status::{Violations, violated_constraint},
};
use serde_json::json;
use tracing::info;
use uuid::Uuid;

use super::{RefundRequest, process};
use crate::{
    AUDIT,
    app::App,
    error::Error,
    fields::{MAX_LINES, check_idempotency_key, check_lines},
    orders::db::{self as orders, Refund},
    payments::db::{
        order_payments,
        refunds::{self as db, RefundKey, RequestedRefund},
    },
};

const MAX_REASON_LENGTH: usize = 1_000;

/// Validates a request and its idempotency key.
///
/// # Errors
/// The invalid fields.
pub(crate) fn validate(request: &RefundRequest, idempotency_key: &str) -> Result<(), Violations> {
    let mut violations = Violations::new();
    violations.require(!idempotency_key.is_empty(), "idempotency_key", "is required");
    check_idempotency_key(idempotency_key, &mut violations);
    let RefundRequest { lines, shipping, amount_minor, reason, .. } = request;
    let quantities: Vec<_> = lines.iter().map(|line| (line.product_id, line.quantity)).collect();
    check_lines(&quantities, &mut violations);
    for (index, line) in lines.iter().take(MAX_LINES).enumerate() {
        let unshipped = line.unshipped_quantity.unwrap_or_default();
        violations.require(
            (0..=line.quantity.max(0)).contains(&unshipped),
            &format!("lines[{index}].unshipped_quantity"),
            "must be between 0 and the quantity",
        );
    }
    let has_parts = *shipping || !lines.is_empty();
    match amount_minor {
        Some(_) if has_parts => {
            violations.add("amount_minor", "cannot be combined with lines or shipping");
        }
        Some(amount) => violations.require(*amount > 0, "amount_minor", "must be greater than 0"),
        None => violations.require(has_parts, "lines", "or shipping or an amount must be given"),
    }
    violations.require_text(reason.as_deref().unwrap_or_default(), 0, MAX_REASON_LENGTH, "reason");
    violations.finish()
}

/// Refunds a part of an order's payment, once for each idempotency key of the caller. Asks the provider and notifies the catalog
/// if they respond soon; otherwise the worker does.
///
/// # Errors
/// [`Error::OrderNotFound`], [`Error::NotPaid`], [`Error::ReviewOpen`], [`Error::RefundExceedsPaid`],
/// [`Error::IdempotencyKeyReused`], and invalid lines.
pub(crate) async fn create_refund(
    app: &App,
    request: &RefundRequest,
    idempotency_key: &str,
    caller: &Caller,
) -> Result<Refund, Error> {
    let create = || create_in_transaction(app, request, idempotency_key, caller);
    let created = match retry_on_conflict(create).await {
        // Another call with the same key, for another order: both would otherwise wait for the lock of the order.
        Err(Error::Database(error)) if violated_constraint(&error) == Some("one_refund_per_key") => {
            return Err(Error::IdempotencyKeyReused);
        }
        created => created?,
    };
    let refund_id = match created {
        Created::New(key) => {
            let (order_id, refund_id) = (key.order_id, key.refund_id);
            info!(order.id = %order_id, refund.id = %refund_id, "refund created");
            process::process_inline(app, key).await;
            refund_id
        }
        Created::Before(refund_id) => refund_id,
    };
    let order = orders::find(&app.db, request.order_id, None).await?.ok_or(Error::OrderNotFound)?;
    order.refunds.into_iter().find(|refund| refund.id == refund_id).ok_or(Error::OrderNotFound)
}

enum Created {
    New(RefundKey),
    /// By an earlier call with the same key.
    Before(Uuid),
}

async fn create_in_transaction(
    app: &App,
    request: &RefundRequest,
    idempotency_key: &str,
    caller: &Caller,
) -> Result<Created, Error> {
    let order_id = request.order_id;
    let mut transaction = app.db.begin().await?;
    let payments = order_payments::load_locked(&mut transaction, order_id, None).await?;
    let payments = payments.ok_or(Error::OrderNotFound)?;
    // After the lock, so that the refund of a concurrent call with the same key is found.
    if let Some((refund_id, earlier)) =
        db::find_by_key(&mut transaction, caller.user_id, idempotency_key).await?
    {
        let is_same = earlier == *request;
        return if is_same { Ok(Created::Before(refund_id)) } else { Err(Error::IdempotencyKeyReused) };
    }
    let payment = payments.completed_payment().ok_or(Error::NotPaid)?;
    if payment.review.is_some() {
        return Err(Error::ReviewOpen);
    }
    let order = db::load_order(&mut transaction, order_id).await?;
    let amounts = order.refund(request, payment.refundable_minor())?;
    let key = RefundKey { order_id, payment_id: payment.id, refund_id: Uuid::now_v7() };
    let currency = &payment.currency;
    let created_by = caller.user_id;
    let refund = RequestedRefund { key, currency, amounts: &amounts, request, idempotency_key, created_by };
    db::insert(&mut transaction, &refund).await?;
    let event = Event::new("refund.created", caller).on(Subject::new("order", order_id));
    let details = json!({
        "refundId": key.refund_id, "amountMinor": amounts.amount_minor, "currency": currency, "restock": request.restock,
    });
    AUDIT.record(&mut transaction, event.details(details)).await?;
    transaction.commit().await?;
    Ok(Created::New(key))
}

#[cfg(test)]
mod tests {
    use super::{super::RequestedLine, *};

    fn request() -> RefundRequest {
        RefundRequest {
            order_id: Uuid::nil(),
            lines: Vec::new(),
            shipping: false,
            amount_minor: Some(100),
            restock: false,
            reason: None,
        }
    }

    fn line(product_id: i32, quantity: i32, unshipped_quantity: Option<i32>) -> RequestedLine {
        RequestedLine { product_id, quantity, unshipped_quantity }
    }

    #[test]
    fn rejects_invalid_requests_and_names_the_fields() {
        let fields = |request: RefundRequest| {
            let violations = validate(&request, "key").map_err(|violations| violations.to_string());
            violations.err().unwrap_or_default()
        };
        assert_eq!(fields(request()), "");
        let nothing = RefundRequest { amount_minor: None, ..request() };
        assert!(fields(nothing.clone()).starts_with("lines or shipping"));
        assert_eq!(fields(RefundRequest { shipping: true, ..nothing.clone() }), "");
        for amount_minor in [Some(0), Some(-1)] {
            assert!(fields(RefundRequest { amount_minor, ..request() }).starts_with("amount_minor must"));
        }
        assert!(fields(RefundRequest { shipping: true, ..request() }).starts_with("amount_minor cannot"));
        let with_lines = |lines: &[RequestedLine]| RefundRequest { lines: lines.to_vec(), ..nothing.clone() };
        assert_eq!(fields(with_lines(&[line(1, 2, Some(2)), line(2, 1, None)])), "");
        assert!(fields(with_lines(&[line(1, 0, None)])).starts_with("lines[0].quantity"));
        assert!(fields(with_lines(&[line(1, 1, Some(2))])).starts_with("lines[0].unshipped_quantity"));
        assert!(fields(with_lines(&[line(1, 1, None), line(1, 1, None)])).starts_with("lines[1].variant_id"));
        assert!(fields(RefundRequest { reason: Some("x".repeat(1001)), ..request() }).starts_with("reason"));
        for key in ["", "é", &"k".repeat(256)] {
            assert!(validate(&request(), key).is_err(), "{key:?}");
        }
    }
}
