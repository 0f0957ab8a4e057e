//! Finds and claims checkouts.

use std::time::Duration;

use bodega_runtime::{database::Pool, status::violated_constraint, timeouts::WORK_LEASE};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    backoff::CLAIM_LIMIT,
    checkout::{form::Form, place_order::PlacedOrder, pricing::Line, rejection::Rejection},
};

/// A checkout older than this is withdrawn: no client is waiting for it any more.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// A checkout whose lease this process holds.
#[derive(Clone, Debug)]
pub(crate) struct Checkout {
    /// The id of the future order.
    pub id: Uuid,
    /// The customer: the user, or the guest.
    pub user_id: Uuid,
    /// The guest; `None` for a user.
    pub guest_id: Option<Uuid>,
    /// The total that the client requires, in minor units.
    pub expected_total_minor: Option<i64>,
    /// Number of claims; 0 while the call that started the checkout processes it.
    pub attempts: i32,
    /// Whether it is older than [`MAX_AGE`].
    pub is_expired: bool,
    pub traceparent: Option<String>,
    pub lines: Json<Vec<Line>>,
    /// What the customer has entered.
    pub form: Json<Form>,
    /// Whether the store may have settings, taxes, shipping methods or discounts. False spares a query.
    pub has_rules: bool,
}

impl Checkout {
    /// Returns the user; `None` for a guest.
    pub(crate) fn account(&self) -> Option<Uuid> {
        self.guest_id.is_none().then_some(self.user_id)
    }
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
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With the order, if this process has placed it.
    Placed(Option<Box<PlacedOrder>>),
    Rejected(Rejection),
}

/// A checkout as other calls see it.
#[derive(Clone, Debug)]
pub(crate) struct CheckoutState {
    pub id: Uuid,
    pub cart_version: i64,
    pub expected_total_minor: Option<i64>,
    /// The hash of the form; `None` for an empty one.
    pub request_hash: Option<Vec<u8>>,
    pub stage: Stage,
    /// Whether the delivery that clears the cart is pending.
    pub clears_cart: bool,
    /// Whether the delivery that releases the stock is pending.
    pub releases_stock: bool,
}

/// A row of `orders.idempotency_keys`.
#[derive(Clone, Debug)]
pub(crate) struct RecordedKey {
    pub order_id: Uuid,
    pub expected_total_minor: Option<i64>,
    /// The hash of the form; `None` for an empty one.
    pub request_hash: Option<Vec<u8>>,
}

/// Records the user's `key` for a request to a checkout that another call has started. Returns false if the key is recorded
/// already.
pub(crate) async fn record_key(
    db: &Pool,
    user_id: Uuid,
    key: &str,
    request: &RecordedKey,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into orders.idempotency_keys (user_id, key, expected_total_minor, request_hash, order_id)
         values ($1, $2, $3, $4, $5)
         on conflict on constraint one_order_per_key do nothing",
        user_id,
        key,
        request.expected_total_minor,
        request.request_hash.as_deref(),
        request.order_id,
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
        r#"select o.id, o.cart_version, o.expected_total_minor, o.request_hash, o.stage as "stage: Stage",
                  coalesce(pending.clears_cart, false) as "clears_cart!",
                  coalesce(pending.releases_stock, false) as "releases_stock!"
           from orders.orders o
           left join lateral (
               select bool_or(d.kind = 'clear_cart') as clears_cart, bool_or(d.kind = 'release_stock') as releases_stock
               from orders.outbox d where d.order_id = o.id and d.rejection is null
           ) as pending on true
           where o.user_id = $1 and o.cart_version = $2 and o.status <> 'rejected'"#,
        user_id,
        cart_version,
    )
    .fetch_optional(db)
    .await
}

/// Returns the cart version of the user's latest order, if it is not `last_order` or was placed within the last `period`.
pub(crate) async fn cart_version_of_order_since(
    db: &Pool,
    user_id: Uuid,
    last_order: Option<Uuid>,
    period: Duration,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select o.cart_version
         from orders.latest_checkouts l
         join orders.orders o on o.id = l.order_id
         where l.user_id = $1 and o.placed_at is not null
           and (o.id is distinct from $2 or o.placed_at >= now() - make_interval(secs => $3))",
        user_id,
        last_order,
        period.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// The latest checkout of a guest whose cart was merged into that of a user.
#[derive(Debug)]
pub(crate) struct MergedGuest {
    pub guest_id: Uuid,
    /// `None` if the guest has never checked out.
    pub latest: Option<CheckoutState>,
}

/// Returns the latest checkouts of guests.
pub(crate) async fn latest_of_guests(db: &Pool, guest_ids: &[Uuid]) -> sqlx::Result<Vec<MergedGuest>> {
    let rows = sqlx::query!(
        r#"select guest.id as "guest_id!", o.id as "id?", o.cart_version as "cart_version?", o.expected_total_minor,
                  o.request_hash, o.stage as "stage?: Stage", coalesce(pending.clears_cart, false) as "clears_cart!",
                  coalesce(pending.releases_stock, false) as "releases_stock!"
           from unnest($1::uuid[]) as guest (id)
           left join orders.latest_checkouts l on l.user_id = guest.id
           left join orders.orders o on o.id = l.order_id
           left join lateral (
               select bool_or(d.kind = 'clear_cart') as clears_cart, bool_or(d.kind = 'release_stock') as releases_stock
               from orders.outbox d where d.order_id = o.id and d.rejection is null
           ) as pending on true"#,
        guest_ids,
    )
    .fetch_all(db)
    .await?;
    let guests = rows.into_iter().map(|row| MergedGuest {
        guest_id: row.guest_id,
        latest: match (row.id, row.cart_version, row.stage) {
            (Some(id), Some(cart_version), Some(stage)) => Some(CheckoutState {
                id,
                cart_version,
                expected_total_minor: row.expected_total_minor,
                request_hash: row.request_hash,
                stage,
                clears_cart: row.clears_cart,
                releases_stock: row.releases_stock,
            }),
            _ => None,
        },
    });
    Ok(guests.collect())
}

/// Returns whether the start of a checkout failed because another call has started a checkout at the same time.
pub(crate) fn is_duplicate(error: &sqlx::Error) -> bool {
    matches!(
        violated_constraint(error),
        Some(
            "one_order_per_cart_version"
                | "one_placing_order_per_user"
                | "one_order_per_key"
                // Of the customer and the guests whose carts were merged, some have another latest checkout.
                | "latest_checkouts_order_id_fkey"
        )
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
        (Stage::Placed, _) => Some(Outcome::Placed(None)),
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
           returning id, user_id, guest_id, expected_total_minor, attempts, traceparent,
                     created_at < now() - make_interval(secs => $3) as "is_expired!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>",
                     (select f.form from orders.checkout_forms f where f.order_id = o.id) as "form!: Json<Form>",
                     (select revision > 0 from orders.settings where is_single) as "has_rules!""#,
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
           returning o.id, o.user_id, o.guest_id, o.expected_total_minor, o.attempts, o.traceparent,
                     o.created_at < now() - make_interval(secs => $3) as "is_expired!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>",
                     (select f.form from orders.checkout_forms f where f.order_id = o.id) as "form!: Json<Form>",
                     (select revision > 0 from orders.settings where is_single) as "has_rules!""#,
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
