//! Loads and saves an order with its payments.

use std::time::Duration;

use bodega_runtime::{
    database::Pool,
    telemetry,
    timeouts::{INLINE_GRACE, PAYMENT_POLL_LEASE},
};
use sqlx::{PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use super::{refunds, reviews};
use crate::{
    orders::status::OrderStatus,
    payments::{
        order_payments::{NewEvent, OrderPayments},
        payment::{Payment, PaymentStatus},
        refunds::PartialRefund,
        review::{Review, ReviewReason},
    },
};

struct OrderRow {
    status: OrderStatus,
    total_minor: i64,
    currency: String,
    age_ms: i64,
    traceparent: Option<String>,
    has_shipments: bool,
}

impl OrderRow {
    /// Also links the span of the current work to the traces of the order and its payments.
    fn with_payments(self, order_id: Uuid, payments: Vec<Payment>) -> OrderPayments {
        let Self { status, total_minor, currency, age_ms, traceparent, has_shipments } = self;
        telemetry::link(traceparent.as_deref());
        payments.iter().for_each(|payment| telemetry::link(payment.traceparent.as_deref()));
        OrderPayments {
            order_id,
            status,
            total_minor,
            currency,
            age_ms,
            payments,
            new_events: Vec::new(),
            review_changes: Vec::new(),
            refund_changes: Vec::new(),
            has_shipments,
        }
    }
}

/// Loads the payments of an order without a lock.
pub(crate) async fn load(db: &Pool, order_id: Uuid) -> sqlx::Result<Option<OrderPayments>> {
    let row = sqlx::query_as!(
        OrderRow,
        r#"select status as "status: OrderStatus", total_minor as "total_minor!", currency as "currency!",
                  (extract(epoch from now() - placed_at) * 1000)::bigint as "age_ms!", traceparent, has_shipments
           from orders.orders where id = $1 and placed_at is not null"#,
        order_id,
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(row.with_payments(order_id, payments(db, order_id).await?)))
}

/// Loads the payments of an order of `owner` (of any user if `None`), and locks the order until the transaction ends.
pub(crate) async fn load_locked(
    db: &mut PgConnection,
    order_id: Uuid,
    owner: Option<Uuid>,
) -> sqlx::Result<Option<OrderPayments>> {
    let row = sqlx::query_as!(
        OrderRow,
        r#"select status as "status: OrderStatus", total_minor as "total_minor!", currency as "currency!",
                  (extract(epoch from now() - placed_at) * 1000)::bigint as "age_ms!", traceparent, has_shipments
           from orders.orders
           where id = $1 and ($2::uuid is null or user_id = $2) and placed_at is not null
           for no key update"#,
        order_id,
        owner,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    // A separate statement sees the changes that were committed while the first one waited for the lock.
    Ok(Some(row.with_payments(order_id, payments(db, order_id).await?)))
}

async fn payments(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<Vec<Payment>> {
    let rows = sqlx::query!(
        r#"select p.id, p.attempt, p.provider, p.intent_id, p.client_secret, p.amount_minor, p.currency, p.closed,
                  case when p.status = 'failed' and p.cancelled then 'cancelled' else p.status end
                      as "status!: PaymentStatus",
                  p.refund_id, p.refunded_minor, p.failed_refunds, p.poll_count,
                  coalesce(p.intent_lease_until > now(), false) as "intent_leased!",
                  (extract(epoch from now() - p.created_at) * 1000)::bigint as "age_ms!", p.traceparent,
                  (
                      select json_agg(json_build_object(
                          'id', f.id, 'status', f.status, 'amount_minor', f.amount_minor, 'is_external', f.is_external,
                          'provider_refund_id', f.provider_refund_id, 'key_number', f.key_number,
                          'poll_count', f.poll_count, 'is_accepted', f.accepted_at is not null,
                          'has_units_to_return', f.stock_returned_at is null and exists (
                              select from orders.refund_lines l where l.refund_id = f.id and l.quantity > 0
                          ),
                          'age_ms', (extract(epoch from now() - f.created_at) * 1000)::bigint
                      ) order by f.id)
                      from orders.refunds f where f.payment_id = p.id
                  ) as "refunds: Json<Vec<PartialRefund>>",
                  r.reason as "review_reason?: ReviewReason", r.amount_minor as "reported_minor?",
                  r.currency as "reported_currency?"
           from orders.payments p
           left join orders.payment_reviews r on r.payment_id = p.id and r.resolved_at is null
           where p.order_id = $1 order by p.attempt"#,
        order_id,
    )
    .fetch_all(db)
    .await?;
    let payments = rows.into_iter().map(|row| Payment {
        id: row.id,
        attempt: row.attempt,
        provider: row.provider,
        status: row.status,
        intent_id: row.intent_id,
        client_secret: row.client_secret,
        amount_minor: row.amount_minor,
        currency: row.currency,
        closed: row.closed,
        refund_id: row.refund_id,
        refunded_minor: row.refunded_minor,
        refunds: row.refunds.map(|refunds| refunds.0).unwrap_or_default(),
        failed_refunds: row.failed_refunds,
        intent_leased: row.intent_leased,
        poll_count: row.poll_count,
        last_poll_failed: false,
        age_ms: row.age_ms,
        traceparent: row.traceparent,
        review: row
            .review_reason
            .map(|reason| Review { reason, reported: row.reported_minor.zip(row.reported_currency) }),
    });
    Ok(payments.collect())
}

/// Saves payments, the times of their next polls, and new events.
pub(crate) async fn save(
    db: &mut PgConnection,
    payments: &OrderPayments,
    window: Option<Duration>,
) -> sqlx::Result<()> {
    for payment in &payments.payments {
        let next_poll_in = payments.next_poll_in(payment, window);
        save_payment(db, payments.order_id, payment, next_poll_in).await?;
    }
    for change in &payments.review_changes {
        reviews::save(db, payments, change).await?;
    }
    for change in &payments.refund_changes {
        refunds::save(db, payments.order_id, change).await?;
    }
    if payments.new_events.is_empty() {
        return Ok(());
    }
    let events = &payments.new_events;
    let statuses: Vec<_> = events.iter().map(|event| event.status.as_str().to_owned()).collect();
    let status_changed: Vec<_> = events.iter().map(|event| event.status_changed).collect();
    let actors: Vec<_> = events.iter().map(|event| event.actor).collect();
    let (payment_ids, payment_statuses): (Vec<_>, Vec<_>) = events
        .iter()
        .map(|event| event.payment.map(|(id, status)| (id, status.stored().to_owned())).unzip())
        .unzip();
    let is_cancelled =
        |event: &NewEvent| event.payment.is_some_and(|(_, status)| status == PaymentStatus::Cancelled);
    let payment_cancelled: Vec<_> = events.iter().map(is_cancelled).collect();
    // Uses the clock, not the transaction's time: a transaction that waited for the lock of another one has started before
    // the change of that one.
    sqlx::query!(
        "with changed as (
             update orders.orders
             set status = $2, updated_at = greatest(clock_timestamp(), updated_at)
             where id = $1
             returning id, updated_at, traceparent
         ), event as (
             insert into orders.order_events (order_id, status, status_changed, actor, payment_id, payment_status,
                                              payment_cancelled, created_at)
             select changed.id, e.status, e.status_changed, e.actor, e.payment_id, e.payment_status,
                    e.payment_cancelled, updated_at
             from changed, unnest($3::text[], $4::boolean[], $5::uuid[], $6::uuid[], $7::text[], $10::boolean[])
                  with ordinality
                  as e (status, status_changed, actor, payment_id, payment_status, payment_cancelled, ordinal)
             order by e.ordinal
         )
         insert into orders.outbox (order_id, kind, next_attempt_at, traceparent)
         select id, 'release_stock', now() + make_interval(secs => $8), traceparent from changed where $9",
        payments.order_id,
        payments.status.as_str(),
        &statuses,
        &status_changed,
        &actors as &[Option<Uuid>],
        &payment_ids as &[Option<Uuid>],
        &payment_statuses as &[Option<String>],
        INLINE_GRACE.as_secs_f64(),
        payments.was_cancelled(),
        &payment_cancelled,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn save_payment(
    db: &mut PgConnection,
    order_id: Uuid,
    payment: &Payment,
    next_poll_in: Option<Duration>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into orders.payments as p (id, order_id, attempt, provider, status, amount_minor, currency, intent_id,
                                           client_secret, closed, refund_id, failed_refunds, poll_count,
                                           intent_lease_until, next_poll_at, traceparent, cancelled, refunded_minor)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                 case when $14 then now() + make_interval(secs => $15) end, now() + make_interval(secs => $16), $17,
                 $18, $19)
         on conflict (id) do update
         set status = excluded.status, cancelled = excluded.cancelled, refunded_minor = excluded.refunded_minor,
             intent_id = excluded.intent_id, client_secret = excluded.client_secret,
             closed = excluded.closed, refund_id = excluded.refund_id, failed_refunds = excluded.failed_refunds,
             poll_count = excluded.poll_count, next_poll_at = excluded.next_poll_at, updated_at = now(),
             -- A lease that is running is not extended.
             intent_lease_until = case
                 when $14 and p.intent_lease_until > now() then p.intent_lease_until
                 else excluded.intent_lease_until
             end",
        payment.id,
        order_id,
        payment.attempt,
        payment.provider,
        payment.status.stored(),
        payment.amount_minor,
        payment.currency,
        payment.intent_id,
        payment.client_secret,
        payment.closed,
        payment.refund_id,
        payment.failed_refunds,
        payment.poll_count,
        payment.intent_leased,
        PAYMENT_POLL_LEASE.as_secs_f64(),
        next_poll_in.map(|pause| pause.as_secs_f64()),
        payment.traceparent,
        payment.status == PaymentStatus::Cancelled,
        payment.refunded_minor,
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PaymentKey {
    pub order_id: Uuid,
    pub payment_id: Uuid,
}

/// Returns the payment of a provider's intent. If the intent is not stored yet, it is found by `payment_id`.
pub(crate) async fn find_by_intent(
    db: &mut PgConnection,
    provider: &str,
    intent_id: &str,
    payment_id: Option<Uuid>,
) -> sqlx::Result<Option<PaymentKey>> {
    sqlx::query_as!(
        PaymentKey,
        "select order_id, id as payment_id from orders.payments
         where provider = $1 and (intent_id = $2 or id = $3)
         order by intent_id is not distinct from $2 desc limit 1",
        provider,
        intent_id,
        payment_id,
    )
    .fetch_optional(db)
    .await
}
