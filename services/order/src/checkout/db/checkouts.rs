//! Attempts that are looked for, begun and taken over.

use std::time::Duration;

use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::limit;
use crate::{
    bounds::LEASE,
    order::{Attempt, Line, Outcome, Stage},
    place_order::Request,
    rejection::Rejection,
};

/// An attempt older than this is overdue.
const OVERDUE: Duration = Duration::from_secs(15 * 60);

/// What a key stands for.
pub(crate) struct KnownKey {
    pub order_id: Uuid,
    /// The total that the request which it came with insisted on, in minor units.
    pub expected_total_minor: Option<i64>,
}

/// An attempt from the outside.
pub(crate) struct Known {
    pub id: Uuid,
    pub cart_version: i64,
    pub expected_total_minor: Option<i64>,
    pub stage: Stage,
    /// Whether a neighbour is still to be told of it.
    pub undelivered: bool,
}

/// What the user's `key` stands for.
pub(crate) async fn by_key(db: &PgPool, user_id: Uuid, key: &str) -> sqlx::Result<Option<KnownKey>> {
    sqlx::query_as!(
        KnownKey,
        "select order_id, expected_total_minor from orders.idempotency_keys where user_id = $1 and key = $2",
        user_id,
        key,
    )
    .fetch_optional(db)
    .await
}

/// Makes the user's `key` stand for an attempt that others have begun. False when it stands for something already.
pub(crate) async fn record_key(
    db: &PgPool,
    user_id: Uuid,
    key: &str,
    request: &Request,
    order_id: Uuid,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into orders.idempotency_keys (user_id, key, expected_total_minor, order_id)
         values ($1, $2, $3, $4)
         on conflict on constraint one_order_per_key do nothing",
        user_id,
        key,
        request.expected_total_minor,
        order_id,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The one attempt of this state of the user's cart that was not rejected.
pub(crate) async fn of_cart(db: &PgPool, user_id: Uuid, cart_version: i64) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        r#"select id, cart_version, expected_total_minor,
                  case when status = 'placing' then status else 'placed' end as "stage!: Stage",
                  exists (select from orders.outbox where order_id = id and rejection is null) as "undelivered!"
           from orders.orders
           where user_id = $1 and cart_version = $2 and status <> 'rejected'"#,
        user_id,
        cart_version,
    )
    .fetch_optional(db)
    .await
}

/// The user's latest attempt.
pub(crate) async fn latest(db: &PgPool, user_id: Uuid) -> sqlx::Result<Option<Known>> {
    sqlx::query_as!(
        Known,
        r#"select o.id, o.cart_version, o.expected_total_minor,
                  case when o.status in ('placing', 'rejected') then o.status else 'placed' end as "stage!: Stage",
                  exists (
                      select from orders.outbox d where d.order_id = o.id and d.rejection is null
                  ) as "undelivered!"
           from orders.latest_checkouts c
           join orders.orders o on o.id = c.order_id
           where c.user_id = $1"#,
        user_id,
    )
    .fetch_optional(db)
    .await
}

/// The version of the cart that the user's latest order was made from, if it was placed within this time.
pub(crate) async fn cart_ordered_within(
    db: &PgPool,
    user_id: Uuid,
    time: Duration,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar!(
        "select o.cart_version
         from orders.latest_checkouts c
         join orders.orders o on o.id = c.order_id
         where c.user_id = $1 and o.placed_at >= now() - make_interval(secs => $2)",
        user_id,
        time.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Begins an attempt, with its key, under the lease of whoever asks. False when `previous` is not the user's latest
/// attempt any more, or was never: then the cart may have been seen before another attempt took its lines.
///
/// # Errors
/// A violated constraint ([`lost_race`]) also means that somebody else was faster.
pub(crate) async fn begin(
    db: &PgPool,
    attempt: &Attempt,
    cart_version: i64,
    key: Option<&str>,
    previous: Option<Uuid>,
) -> sqlx::Result<bool> {
    let product_ids: Vec<_> = attempt.lines.iter().map(|line| line.product_id).collect();
    let quantities: Vec<_> = attempt.lines.iter().map(|line| line.quantity).collect();
    let seen_prices: Vec<_> = attempt.lines.iter().map(|line| line.quoted_price_minor).collect();
    sqlx::query_scalar!(
        r#"with turn as (
               insert into orders.latest_checkouts as c (user_id, order_id) values ($1, $2)
               on conflict (user_id) do update set order_id = excluded.order_id where c.order_id = $3
               returning c.user_id
           ), attempt as (
               insert into orders.orders (id, user_id, cart_version, status, expected_total_minor, lease_until, recover_at)
               select $2, user_id, $4, 'placing', $5, lease_until, lease_until
               from turn, (select now() + make_interval(secs => $6) as lease_until) as lease
           ), items as (
               insert into orders.order_items (order_id, product_id, quantity, quoted_price_minor)
               select $2, line.*
               from turn, unnest($7::integer[], $8::integer[], $9::bigint[]) as line
           ), key as (
               insert into orders.idempotency_keys (user_id, key, expected_total_minor, order_id)
               select user_id, $10, $5, $2 from turn where $10::text is not null
           )
           select exists (select from turn) as "begun!""#,
        attempt.user_id,
        attempt.id,
        previous,
        cart_version,
        attempt.expected_total_minor,
        LEASE.as_secs_f64(),
        &product_ids,
        &quantities,
        &seen_prices,
        key,
    )
    .fetch_one(db)
    .await
}

/// Whether [`begin`] failed because the same was begun elsewhere at the same time.
pub(crate) fn lost_race(cause: &sqlx::Error) -> bool {
    matches!(
        bodega_runtime::status::violated_constraint(cause),
        Some("one_order_per_cart_version" | "one_placing_order_per_user" | "one_order_per_key")
    )
}

/// How the attempt ended; `None` while it is under way.
pub(crate) async fn outcome(db: &PgPool, id: Uuid) -> sqlx::Result<Option<Outcome>> {
    let row = sqlx::query!(
        r#"select case when status in ('placing', 'rejected') then status else 'placed' end as "stage!: Stage",
                  rejection as "rejection: Json<Rejection>"
           from orders.orders where id = $1"#,
        id,
    )
    .fetch_one(db)
    .await?;
    Ok(match (row.stage, row.rejection) {
        (Stage::Placing, _) => None,
        (Stage::Rejected, Some(Json(rejection))) => Some(Outcome::Rejected(rejection)),
        // The schema has no rejected order without its rejection.
        (Stage::Rejected, None) => Some(Outcome::Rejected(Rejection::Withdrawn)),
        (Stage::Placed, _) => Some(Outcome::Placed),
    })
}

/// Takes over an attempt under way that nobody has the lease of. `None` when there is nothing to take.
pub(crate) async fn take_over(db: &PgPool, id: Uuid) -> sqlx::Result<Option<Attempt>> {
    sqlx::query_as!(
        Attempt,
        r#"update orders.orders o
           set lease_until = now() + make_interval(secs => $2), recover_at = now() + make_interval(secs => $2),
               attempts = attempts + 1
           where id = $1 and status = 'placing' and lease_until <= now()
           returning id, user_id, expected_total_minor, attempts,
                     created_at < now() - make_interval(secs => $3) as "overdue!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>""#,
        id,
        LEASE.as_secs_f64(),
        OVERDUE.as_secs_f64(),
    )
    .fetch_optional(db)
    .await
}

/// Takes over attempts under way that were left behind, the longest ago first.
pub(crate) async fn take_over_left_behind(db: &PgPool, most: usize) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as!(
        Attempt,
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
                     o.created_at < now() - make_interval(secs => $3) as "overdue!",
                     (select json_agg(i order by i.product_id) from orders.order_items i where i.order_id = o.id)
                         as "lines!: Json<Vec<Line>>""#,
        limit(most),
        LEASE.as_secs_f64(),
        OVERDUE.as_secs_f64(),
    )
    .fetch_all(db)
    .await
}

/// Leaves an attempt to the next call for it, and to the loop after a `pause`; unless somebody took it over already.
pub(crate) async fn leave(db: &PgPool, attempt: &Attempt, pause: Duration) -> sqlx::Result<()> {
    sqlx::query!(
        "update orders.orders set lease_until = now(), recover_at = now() + make_interval(secs => $3)
         where id = $1 and status = 'placing' and attempts = $2",
        attempt.id,
        attempt.attempts,
        pause.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}
