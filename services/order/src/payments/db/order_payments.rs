//! An order and its payments: read, opened under a lock, and closed with what was decided.

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use super::limit;
use crate::{
    books::Books,
    bounds::{INLINE_GRACE, LOOK_LEASE},
    payment::{Payment, PaymentStatus},
    status::OrderStatus,
};

/// What an order's row has for its books.
struct Head {
    status: OrderStatus,
    total_minor: i64,
    currency: String,
}

impl Head {
    fn with(self, id: Uuid, payments: Vec<Payment>) -> Books {
        let Self { status, total_minor, currency } = self;
        Books { id, status, total_minor, currency, payments, steps: Vec::new() }
    }
}

/// The books of an order as they stand, to look into.
pub(crate) async fn read(db: &PgPool, id: Uuid) -> sqlx::Result<Option<Books>> {
    let head = sqlx::query_as!(
        Head,
        r#"select status as "status: OrderStatus", total_minor as "total_minor!", currency as "currency!"
           from orders.orders where id = $1 and placed_at is not null"#,
        id,
    )
    .fetch_optional(db)
    .await?;
    let Some(head) = head else { return Ok(None) };
    Ok(Some(head.with(id, payments(db, id).await?)))
}

/// Opens the books of an order of `owner` (`None`: anybody's). Nobody else can until the transaction ends.
pub(crate) async fn open(
    db: &mut PgConnection,
    id: Uuid,
    owner: Option<Uuid>,
) -> sqlx::Result<Option<Books>> {
    let head = sqlx::query_as!(
        Head,
        r#"select status as "status: OrderStatus", total_minor as "total_minor!", currency as "currency!"
           from orders.orders
           where id = $1 and ($2::uuid is null or user_id = $2) and placed_at is not null
           for no key update"#,
        id,
        owner,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(head) = head else { return Ok(None) };
    // A statement of its own: it sees what was committed while the one before waited for the lock.
    Ok(Some(head.with(id, payments(db, id).await?)))
}

async fn payments(db: impl PgExecutor<'_>, order_id: Uuid) -> sqlx::Result<Vec<Payment>> {
    sqlx::query_as!(
        Payment,
        r#"select id, attempt, provider, status as "status: PaymentStatus", intent_id, client_secret, amount_minor,
                  currency, closed, refund_id, failed_refunds, poll_count, false as "is_unanswered!",
                  coalesce(intent_lease_until > now(), false) as "being_created!",
                  extract(epoch from now() - created_at)::float8 as "age_seconds!"
           from orders.payments where order_id = $1 order by attempt"#,
        order_id,
    )
    .fetch_all(db)
    .await
}

/// Writes down what was decided since the books were opened, and when to look at each payment again.
pub(crate) async fn close(
    db: &mut PgConnection,
    books: &Books,
    window: Option<Duration>,
) -> sqlx::Result<()> {
    for payment in &books.payments {
        save(db, books, payment, books.look_in(payment, window)).await?;
    }
    if books.steps.is_empty() {
        return Ok(());
    }
    let statuses: Vec<_> = books.steps.iter().map(|step| step.status.as_str().to_owned()).collect();
    let moved: Vec<_> = books.steps.iter().map(|step| step.moved).collect();
    let actors: Vec<_> = books.steps.iter().map(|step| step.actor).collect();
    let (payment_ids, payments): (Vec<_>, Vec<_>) = books
        .steps
        .iter()
        .map(|step| step.payment.map(|(id, status)| (id, status.as_str().to_owned())).unzip())
        .unzip();
    // The clock, not the transaction's time: that of one which waited for another would lie before the other's.
    sqlx::query!(
        "with stepped as (
             update orders.orders
             set status = $2, updated_at = greatest(clock_timestamp(), updated_at)
             where id = $1
             returning id, updated_at
         ), event as (
             insert into orders.order_events (order_id, status, status_changed, actor, payment_id, payment_status, created_at)
             select stepped.id, step.status, step.status_changed, step.actor, step.payment_id, step.payment_status, updated_at
             from stepped, unnest($3::text[], $4::boolean[], $5::uuid[], $6::uuid[], $7::text[])
                  with ordinality as step (status, status_changed, actor, payment_id, payment_status, ordinal)
             order by step.ordinal
         )
         insert into orders.outbox (order_id, kind, next_attempt_at)
         select id, 'release_stock', now() + make_interval(secs => $8) from stepped where $9",
        books.id,
        books.status.as_str(),
        &statuses,
        &moved,
        &actors as &[Option<Uuid>],
        &payment_ids as &[Option<Uuid>],
        &payments as &[Option<String>],
        INLINE_GRACE.as_secs_f64(),
        books.was_cancelled(),
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn save(
    db: &mut PgConnection,
    books: &Books,
    payment: &Payment,
    look_in: Option<Duration>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into orders.payments as p (id, order_id, attempt, provider, status, amount_minor, currency, intent_id,
                                           client_secret, closed, refund_id, failed_refunds, poll_count, intent_lease_until,
                                           next_poll_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                 case when $14 then now() + make_interval(secs => $15) end, now() + make_interval(secs => $16))
         on conflict on constraint payments_pkey do update
         set status = excluded.status, intent_id = excluded.intent_id, client_secret = excluded.client_secret,
             closed = excluded.closed, refund_id = excluded.refund_id, failed_refunds = excluded.failed_refunds,
             poll_count = excluded.poll_count, next_poll_at = excluded.next_poll_at, updated_at = now(),
             -- Whoever else writes meanwhile does not lengthen it.
             intent_lease_until = case
                 when $14 and p.intent_lease_until > now() then p.intent_lease_until else excluded.intent_lease_until
             end",
        payment.id,
        books.id,
        payment.attempt,
        payment.provider,
        payment.status.as_str(),
        payment.amount_minor,
        payment.currency,
        payment.intent_id,
        payment.client_secret,
        payment.closed,
        payment.refund_id,
        payment.failed_refunds,
        payment.poll_count,
        payment.being_created,
        LOOK_LEASE.as_secs_f64(),
        look_in.map(|pause| pause.as_secs_f64()),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A payment to look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub order_id: Uuid,
    pub payment_id: Uuid,
}

/// Leases payments that are due to be looked at, the longest first; of these providers only.
pub(crate) async fn claim(db: &PgPool, providers: &[String], most: usize) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as!(
        Due,
        r#"with due as (
               select id from orders.payments
               where next_poll_at <= now() and provider = any($1)
               order by next_poll_at limit $2
               for update skip locked
           )
           update orders.payments p set next_poll_at = now() + make_interval(secs => $3)
           from due where p.id = due.id
           returning p.order_id, p.id as payment_id"#,
        providers,
        limit(most),
        LOOK_LEASE.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// The order of the payment that an intent of a provider belongs to; by its own id where the intent is not known yet.
pub(crate) async fn of_intent(
    db: &mut PgConnection,
    provider: &str,
    intent_id: &str,
    payment_id: Option<Uuid>,
) -> sqlx::Result<Option<Due>> {
    sqlx::query_as!(
        Due,
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
