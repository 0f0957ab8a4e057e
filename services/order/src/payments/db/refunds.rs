//! SQL of refunds of parts.

use std::time::Duration;

use bodega_runtime::{telemetry, timeouts::INLINE_GRACE};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::payments::refunds::{
    PartialRefund, RefundChange, RefundRequest, RefundStatus,
    amounts::{RefundAmounts, RefundableLine, RefundableOrder, RefundablePart},
};

/// A refund with its order and payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefundKey {
    pub order_id: Uuid,
    pub payment_id: Uuid,
    pub refund_id: Uuid,
}

/// A refund that an admin requests.
#[derive(Debug)]
pub(crate) struct RequestedRefund<'a> {
    pub key: RefundKey,
    pub currency: &'a str,
    pub amounts: &'a RefundAmounts,
    pub request: &'a RefundRequest,
    pub idempotency_key: &'a str,
    pub created_by: Uuid,
}

/// Returns the refund for which `created_by` has used an idempotency key, and its request.
pub(crate) async fn find_by_key(
    db: &mut PgConnection,
    created_by: Uuid,
    key: &str,
) -> sqlx::Result<Option<(Uuid, RefundRequest)>> {
    let row = sqlx::query!(
        r#"select id, request as "request!: Json<RefundRequest>" from orders.refunds
           where created_by = $1 and idempotency_key = $2"#,
        created_by,
        key,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.id, row.request.0)))
}

/// Returns what can be refunded of an order that the transaction has locked. All units of an order in the status `shipped` or
/// `completed` were shipped, with or without a shipment.
pub(crate) async fn load_order(db: &mut PgConnection, order_id: Uuid) -> sqlx::Result<RefundableOrder> {
    let rows = sqlx::query!(
        r#"select i.product_id, i.quantity, coalesce(i.total_minor, i.price_minor * i.quantity) as "total_minor!",
                  coalesce(i.tax_minor, 0) as "tax_minor!", i.returned_quantity, i.unshipped_quantity, i.refunded_minor,
                  coalesce(o.shipping_minor + case when o.prices_include_tax then 0 else o.shipping_tax_minor end, 0)
                      as "shipping_total_minor!",
                  coalesce(o.shipping_tax_minor, 0) as "shipping_tax_minor!",
                  o.refunded_shipping_minor, o.currency as "currency!",
                  case when o.status in ('shipped', 'completed') then i.quantity - i.unshipped_quantity
                       else i.shipped_quantity end as "shipped_quantity!"
           from orders.orders o
           join orders.order_items i on i.order_id = o.id
           where o.id = $1 and i.price_minor is not null
           order by i.product_id"#,
        order_id,
    )
    .fetch_all(db)
    .await?;
    let mut order = RefundableOrder::default();
    for row in rows {
        order.currency = row.currency;
        order.shipping = RefundablePart {
            total_minor: row.shipping_total_minor,
            tax_minor: row.shipping_tax_minor,
            refunded_minor: row.refunded_shipping_minor,
        };
        order.lines.push(RefundableLine {
            product_id: row.product_id,
            quantity: row.quantity,
            shipped_quantity: row.shipped_quantity,
            returned_quantity: row.returned_quantity,
            unshipped_quantity: row.unshipped_quantity,
            part: RefundablePart {
                total_minor: row.total_minor,
                tax_minor: row.tax_minor,
                refunded_minor: row.refunded_minor,
            },
        });
    }
    Ok(order)
}

/// Stores a refund that an admin requests. One without money needs no provider.
pub(crate) async fn insert(db: &mut PgConnection, refund: &RequestedRefund<'_>) -> sqlx::Result<()> {
    let RequestedRefund { key, currency, amounts, request, idempotency_key, created_by } = *refund;
    let is_free = amounts.amount_minor == 0;
    let new = NewRow {
        key,
        status: if is_free { RefundStatus::Succeeded } else { RefundStatus::Pending },
        currency,
        amounts,
        request: Some((request, idempotency_key, created_by)),
        provider_refund_id: None,
        is_accepted: is_free,
        next_attempt_in: Some(INLINE_GRACE),
    };
    insert_row(db, &new).await
}

struct NewRow<'a> {
    key: RefundKey,
    status: RefundStatus,
    currency: &'a str,
    amounts: &'a RefundAmounts,
    /// With the idempotency key and the admin; `None` for an external refund.
    request: Option<(&'a RefundRequest, &'a str, Uuid)>,
    provider_refund_id: Option<&'a str>,
    is_accepted: bool,
    next_attempt_in: Option<Duration>,
}

async fn insert_row(db: &mut PgConnection, new: &NewRow<'_>) -> sqlx::Result<()> {
    let RefundKey { order_id, payment_id, refund_id } = new.key;
    let lines = &new.amounts.lines;
    let product_ids: Vec<_> = lines.iter().map(|line| line.product_id).collect();
    let quantities: Vec<_> = lines.iter().map(|line| line.quantity).collect();
    let unshipped: Vec<_> = lines.iter().map(|line| line.unshipped_quantity).collect();
    let line_amounts: Vec<_> = lines.iter().map(|line| line.amount_minor).collect();
    let line_taxes: Vec<_> = lines.iter().map(|line| line.tax_minor).collect();
    let request = new.request.map(|(request, ..)| request);
    sqlx::query!(
        "with line as materialized (
             select * from unnest($4::integer[], $5::integer[], $6::integer[], $7::bigint[], $8::bigint[])
                 as line (product_id, quantity, unshipped_quantity, amount_minor, tax_minor)
         ), refund as (
             insert into orders.refunds (id, order_id, payment_id, status, amount_minor, tax_minor, shipping_minor, currency,
                                         restock, reason, is_external, provider_refund_id, next_attempt_at, accepted_at,
                                         idempotency_key, request, created_by, traceparent)
             values ($1, $2, $3, $9, $10, $11, $12, $13, $14, $15, $16, $17, now() + make_interval(secs => $18),
                     case when $19 then now() end, $20, $21, $22, $23)
         ), lines as (
             insert into orders.refund_lines (refund_id, order_id, product_id, quantity, unshipped_quantity, amount_minor,
                                              tax_minor)
             select $1, $2, product_id, quantity, unshipped_quantity, amount_minor, tax_minor from line
         ), items as (
             update orders.order_items i
             set returned_quantity = i.returned_quantity + line.quantity,
                 unshipped_quantity = i.unshipped_quantity + line.unshipped_quantity,
                 refunded_minor = i.refunded_minor + line.amount_minor
             from line
             where i.order_id = $2 and i.product_id = line.product_id
         ), payment as (
             update orders.payments set refunds_minor = refunds_minor + $10, updated_at = now() where id = $3
         )
         update orders.orders
         set refunded_shipping_minor = refunded_shipping_minor + $12, updated_at = greatest(clock_timestamp(), updated_at)
         where id = $2",
        refund_id,
        order_id,
        payment_id,
        &product_ids,
        &quantities,
        &unshipped,
        &line_amounts,
        &line_taxes,
        new.status.as_str(),
        new.amounts.amount_minor,
        new.amounts.tax_minor,
        new.amounts.shipping_minor,
        new.currency,
        request.is_some_and(|request| request.restock),
        request.and_then(|request| request.reason.clone()),
        new.request.is_none(),
        new.provider_refund_id,
        new.next_attempt_in.map(|pause| pause.as_secs_f64()),
        new.is_accepted,
        new.request.map(|(_, key, _)| key),
        request.map(Json) as _,
        new.request.map(|(.., created_by)| created_by),
        telemetry::traceparent(),
    )
    .execute(&mut *db)
    .await?;
    if new.status == RefundStatus::Succeeded && new.amounts.amount_minor > 0 {
        add_mail(db, refund_id).await?;
    }
    Ok(())
}

/// Saves the change of a refund, in the transaction of its payment.
pub(super) async fn save(db: &mut PgConnection, order_id: Uuid, change: &RefundChange) -> sqlx::Result<()> {
    match change {
        RefundChange::Updated { refund, failure, has_failed, has_succeeded, is_revived } => {
            let counted = i32::from(*is_revived) - i32::from(*has_failed);
            update(db, refund, failure.as_deref(), counted).await?;
            if *has_succeeded {
                add_mail(db, refund.id).await?;
            }
            Ok(())
        }
        RefundChange::Found { payment_id, currency, refund } => {
            let order = load_order(&mut *db, order_id).await?;
            // If the lines have less left, the refund belongs to none of them.
            let whole = RefundAmounts { amount_minor: refund.amount_minor, ..RefundAmounts::default() };
            let amounts = order.refund_amount(refund.amount_minor).unwrap_or(whole);
            let new = NewRow {
                key: RefundKey { order_id, payment_id: *payment_id, refund_id: refund.id },
                status: refund.status,
                currency,
                amounts: &amounts,
                request: None,
                provider_refund_id: refund.provider_refund_id.as_deref(),
                is_accepted: true,
                next_attempt_in: refund.next_attempt_in(),
            };
            insert_row(db, &new).await
        }
    }
}

/// Saves the state of a refund. If `counted` is -1 it has failed: its amount can be refunded again, and so can its units, unless
/// it was accepted before. If it is 1, a refund that had failed counts again.
async fn update(
    db: &mut PgConnection,
    refund: &PartialRefund,
    failure: Option<&str>,
    counted: i32,
) -> sqlx::Result<()> {
    // Polls alone do not change what clients see of the order.
    sqlx::query!(
        "with before as materialized (
             select (status, provider_refund_id, failure) as visible from orders.refunds where id = $1
         ), refund as (
             update orders.refunds
             set status = $2, provider_refund_id = $3, failure = $4, key_number = $5, poll_count = $6,
                 accepted_at = case when $7 then coalesce(accepted_at, now()) end,
                 next_attempt_at = now() + make_interval(secs => $8), updated_at = now()
             where id = $1
             returning order_id, payment_id, amount_minor, shipping_minor,
                       (status, provider_refund_id, failure) as visible
         ), payment as (
             update orders.payments p
             set refunds_minor = p.refunds_minor + $9 * refund.amount_minor
             from refund
             where $9 <> 0 and p.id = refund.payment_id
         ), items as (
             update orders.order_items i
             set refunded_minor = i.refunded_minor + $9 * l.amount_minor,
                 returned_quantity = i.returned_quantity - case when $7 then 0 else l.quantity end,
                 unshipped_quantity = i.unshipped_quantity - case when $7 then 0 else l.unshipped_quantity end
             from orders.refund_lines l
             where $9 <> 0 and l.refund_id = $1 and i.order_id = l.order_id and i.product_id = l.product_id
         )
         update orders.orders o
         set refunded_shipping_minor = o.refunded_shipping_minor + $9 * refund.shipping_minor,
             updated_at = greatest(clock_timestamp(), o.updated_at)
         from refund, before
         where o.id = refund.order_id and refund.visible is distinct from before.visible",
        refund.id,
        refund.status.as_str(),
        refund.provider_refund_id,
        failure,
        refund.key_number,
        refund.poll_count,
        refund.is_accepted,
        refund.next_attempt_in().map(|pause| pause.as_secs_f64()),
        counted,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes the mail about a successful refund to the customer.
async fn add_mail(db: &mut PgConnection, refund_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into orders.mails (id, kind, dedupe_key, user_id, params)
         select gen_random_uuid(), 'partial_refund', 'partial_refund:' || r.id, nullif(o.user_id, o.guest_id),
                jsonb_build_object('order_id', o.id, 'refund_id', r.id)
         from orders.refunds r
         join orders.orders o on o.id = r.order_id
         where r.id = $1 and r.amount_minor > 0
         on conflict on constraint one_mail_per_dedupe_key do nothing",
        refund_id,
    )
    .execute(db)
    .await?;
    Ok(())
}
