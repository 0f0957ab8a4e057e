//! Finds, starts and claims checkouts.

use std::time::Duration;

use bodega_runtime::{database::Pool, status::violated_constraint, timeouts::WORK_LEASE};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    backoff::CLAIM_LIMIT,
    checkout::{pricing::Line, rejection::Rejection},
};

/// A checkout older than this is withdrawn: no client is waiting for it any more.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// A checkout whose lease this process holds.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    /// The id of the future order.
    pub id: Uuid,
    pub user_id: Uuid,
    /// The total that the client requires, in minor units.
    pub expected_total_minor: Option<i64>,
    /// Number of claims; 0 while the call that started the checkout processes it.
    pub attempts: i32,
    /// Whether it is older than [`MAX_AGE`].
    pub is_expired: bool,
    pub lines: Json<Vec<Line>>,
}

/// The stage of a checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Stage {
    Placing,
    Rejected,
    /// The checkout has become an order.
    Placed,
}

/// The outcome of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Placed,
    Rejected(Rejection),
}

/// A checkout as other calls see it.
pub(crate) struct CheckoutState {
    pub id: Uuid,
    pub cart_version: i64,
    pub expected_total_minor: Option<i64>,
    pub stage: Stage,
    /// Whether deliveries to other services are pending.
    pub has_deliveries: bool,
}

/// A row of `orders.idempotency_keys`.
pub(crate) struct RecordedKey {
    pub order_id: Uuid,
    pub expected_total_minor: Option<i64>,
}

pub(crate) async fn find_key(db: &Pool, user_id: Uuid, key: &str) -> sqlx::Result<Option<RecordedKey>> {
    sqlx::query_as!(
        RecordedKey,
        "select order_id, expected_total_minor from orders.idempotency_keys where user_id = $1 and key = $2",
        user_id,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Records the user's `key` for a checkout that another call has started. Returns false if the key is recorded already.
pub(crate) async fn record_key(
    db: &Pool,
    user_id: Uuid,
    key: &str,
    expected_total_minor: Option<i64>,
    order_id: Uuid,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into orders.idempotency_keys (user_id, key, expected_total_minor, order_id)
         values ($1, $2, $3, $4)
         on conflict on constraint one_order_per_key do nothing",
        user_id,
        key,
        expected_total_minor,
        order_id,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Returns the checkout of this version of the user's cart, unless it was rejected.
pub(crate) async fn find_by_cart(
    db: &Pool,
    user_id: Uuid,
    cart_version: i64,
) -> sqlx::Result<Option<CheckoutState>> {
    sqlx::query_as!(
        CheckoutState,
        r#"select o.id, o.cart_version, o.expected_total_minor, o.stage as "stage: Stage",
                  exists (
                      select from orders.outbox d where d.order_id = o.id and d.rejection is null
                  ) as "has_deliveries!"
           from orders.orders o
           where o.user_id = $1 and o.cart_version = $2 and o.status <> 'rejected'"#,
        user_id,
        cart_version,
    )
    .fetch_optional(db)
    .await
}

/// Returns the user's latest checkout.
pub(crate) async fn find_latest(db: &Pool, user_id: Uuid) -> sqlx::Result<Option<CheckoutState>> {
    sqlx::query_as!(
        CheckoutState,
        r#"select o.id, o.cart_version, o.expected_total_minor, o.stage as "stage: Stage",
                  exists (
                      select from orders.outbox d where d.order_id = o.id and d.rejection is null
                  ) as "has_deliveries!"
           from orders.latest_checkouts l
           join orders.orders o on o.id = l.order_id
           where l.user_id = $1"#,
        user_id,
    )
    .fetch_optional(db)
    .await
}

/// Returns the cart version of the user's latest order, if it was placed within the last `period`.
pub(crate) async fn cart_version_placed_within(
    db: &Pool,
    user_id: Uuid,
    period: Duration,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select o.cart_version
         from orders.latest_checkouts l
         join orders.orders o on o.id = l.order_id
         where l.user_id = $1 and o.placed_at >= now() - make_interval(secs => $2)",
        user_id,
        period.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Starts a checkout with its idempotency key, leased to the caller. Returns false if `previous` is no longer the user's
/// latest checkout: then the cart may have been read before another checkout removed its lines.
///
/// # Errors
/// A violated constraint ([`is_duplicate`]) also means that another call has started a checkout.
pub(crate) async fn start(
    db: &Pool,
    checkout: &Checkout,
    cart_version: i64,
    key: Option<&str>,
    previous: Option<Uuid>,
) -> sqlx::Result<bool> {
    let product_ids: Vec<_> = checkout.lines.iter().map(|line| line.product_id).collect();
    let quantities: Vec<_> = checkout.lines.iter().map(|line| line.quantity).collect();
    let quoted_prices: Vec<_> = checkout.lines.iter().map(|line| line.quoted_price_minor).collect();
    sqlx::query_scalar!(
        r#"with latest as (
               insert into orders.latest_checkouts as l (user_id, order_id) values ($1, $2)
               on conflict (user_id) do update set order_id = excluded.order_id where l.order_id = $3
               returning l.user_id
           ), checkout as (
               insert into orders.orders (id, user_id, cart_version, status, expected_total_minor, lease_until, recover_at)
               select $2, user_id, $4, 'placing', $5, lease_until, lease_until
               from latest, (select now() + make_interval(secs => $6) as lease_until) as lease
           ), items as (
               insert into orders.order_items (order_id, product_id, quantity, quoted_price_minor)
               select $2, line.*
               from latest, unnest($7::integer[], $8::integer[], $9::bigint[]) as line
           ), key as (
               insert into orders.idempotency_keys (user_id, key, expected_total_minor, order_id)
               select user_id, $10, $5, $2 from latest where $10::text is not null
           )
           select exists (select from latest) as "started!""#,
        checkout.user_id,
        checkout.id,
        previous,
        cart_version,
        checkout.expected_total_minor,
        WORK_LEASE.as_secs_f64(),
        &product_ids,
        &quantities,
        &quoted_prices,
        key,
    )
    .fetch_one(db)
    .await
}

/// Returns whether [`start`] failed because another call has started a checkout at the same time.
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    matches!(
        violated_constraint(error),
        Some("one_order_per_cart_version" | "one_placing_order_per_user" | "one_order_per_key")
    )
}

/// Returns the outcome of a checkout, or `None` while the order is being placed.
pub(crate) async fn outcome(db: &Pool, id: Uuid) -> sqlx::Result<Option<Outcome>> {
    let row = sqlx::query!(
        r#"select stage as "stage: Stage", rejection as "rejection: Json<Rejection>"
           from orders.orders where id = $1"#,
        id,
    )
    .fetch_one(db)
    .await?;
    Ok(match (row.stage, row.rejection) {
        (Stage::Placing, _) => None,
        (Stage::Rejected, Some(Json(rejection))) => Some(Outcome::Rejected(rejection)),
        // Excluded by the constraint `rejected_orders_have_a_rejection`.
        (Stage::Rejected, None) => Some(Outcome::Rejected(Rejection::Withdrawn)),
        (Stage::Placed, _) => Some(Outcome::Placed),
    })
}

/// Claims an unfinished checkout. Returns `None` while another process has its lease.
pub(crate) async fn claim(db: &Pool, id: Uuid) -> sqlx::Result<Option<Checkout>> {
    sqlx::query_as!(
        Checkout,
        r#"update orders.orders o
           set lease_until = now() + make_interval(secs => $2), recover_at = now() + make_interval(secs => $2),
               attempts = attempts + 1
           where id = $1 and status = 'placing' and lease_until <= now()
           returning id, user_id, expected_total_minor, attempts,
                     created_at < now() - make_interval(secs => $3) as "is_expired!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>""#,
        id,
        WORK_LEASE.as_secs_f64(),
        MAX_AGE.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Claims abandoned checkouts, the oldest first.
pub(crate) async fn claim_abandoned(db: &Pool) -> sqlx::Result<Vec<Checkout>> {
    sqlx::query_as!(
        Checkout,
        r#"with due as (
               select id from orders.orders
               where status = 'placing' and recover_at <= now()
               order by recover_at limit $1
               for update skip locked
           )
           update orders.orders o
           set lease_until = now() + make_interval(secs => $2), recover_at = now() + make_interval(secs => $2),
               attempts = attempts + 1
           from due where o.id = due.id
           returning o.id, o.user_id, o.expected_total_minor, o.attempts,
                     o.created_at < now() - make_interval(secs => $3) as "is_expired!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>""#,
        CLAIM_LIMIT,
        WORK_LEASE.as_secs_f64(),
        MAX_AGE.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Ends the lease of a checkout: the next call for it may claim it at once, and the worker after `pause`. Does nothing if
/// another process has claimed it since.
pub(crate) async fn release(db: &Pool, checkout: &Checkout, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.orders set lease_until = now(), recover_at = now() + make_interval(secs => $3)
         where id = $1 and status = 'placing' and attempts = $2",
        checkout.id,
        checkout.attempts,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
