//! SQL of the table `cart.checkouts`: orders whose lines have been removed from a cart.

use sqlx::PgExecutor;
use uuid::Uuid;

/// The ordered lines of a cart.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    pub(crate) order_id: Uuid,
    /// The id of the user or guest.
    pub(crate) owner_id: Uuid,
    pub(crate) product_ids: Vec<i32>,
    /// Of each product, in the same order.
    pub(crate) quantities: Vec<i32>,
}

/// Removes ordered units from the carts of different users and guests, once per order, and raises the versions of these carts;
/// units added since then remain, and lines without remaining units are deleted. The cart of a guest may have been merged into that
/// of a user: then the units are in the user's. An order without a cart counts as done.
///
/// Returns for each order whether it is done. If not, the cart was changed or merged while the statement waited for its lock, or
/// another order is cleared from it, and the order is left out; this cannot happen to a single order if the transaction has locked
/// the cart before.
///
/// Waits at most `lock_timeout` for each lock; 0 is without limit. When it passes, the statement fails and nothing changes.
pub(crate) async fn clear(
    db: impl PgExecutor<'_>,
    lock_timeout: &str,
    ordered: &[Ordered],
) -> sqlx::Result<Vec<bool>> {
    let order_ids: Vec<_> = ordered.iter().map(|order| order.order_id).collect();
    let owner_ids: Vec<_> = ordered.iter().map(|order| order.owner_id).collect();
    let line_order_ids: Vec<_> =
        ordered.iter().flat_map(|order| order.product_ids.iter().map(|_| order.order_id)).collect();
    let product_ids: Vec<_> = ordered.iter().flat_map(|order| order.product_ids.iter().copied()).collect();
    let quantities: Vec<_> = ordered.iter().flat_map(|order| order.quantities.iter().copied()).collect();
    sqlx::query_scalar!(
        r#"with lock_limit as materialized (
             select set_config('lock_timeout', $1, true) -- until the end of the transaction
         ), checkout as materialized (
             select o.*, c.id as cart_id, c.version as seen_version, done.order_id is not null as is_done
             from lock_limit -- read first, so that the limit is set before any lock is taken
             cross join unnest($2::uuid[], $3::uuid[]) with ordinality as o (order_id, owner_id, position)
             left join lateral (
                 select id, version from cart.carts where user_id = o.owner_id
                 union all
                 -- The id of a guest is the first half of the hash.
                 select id, version from cart.carts
                 where guest_token_hash between uuid_send(o.owner_id)
                                            and uuid_send(o.owner_id) || decode(repeat('ff', 16), 'hex')
                 union all
                 select into_cart.id, into_cart.version
                 from cart.merged_guests m join cart.carts into_cart on into_cart.user_id = m.user_id
                 where m.guest_id = o.owner_id
                 limit 1
             ) c on true
             left join cart.checkouts done on done.order_id = o.order_id
         ), touched as (
             update cart.carts c
             set version = c.version + 1, updated_at = clock_timestamp()
             from checkout o
             where c.id = o.cart_id and c.version = o.seen_version and not o.is_done
             returning c.id, o.order_id
         ), ordered as (
             select touched.id as cart_id, line.product_id, sum(line.quantity) as quantity
             from unnest($4::uuid[], $5::integer[], $6::integer[]) as line (order_id, product_id, quantity)
             join touched using (order_id)
             group by touched.id, line.product_id
         ), used_up as (
             delete from cart.cart_items i
             using ordered o
             where i.cart_id = o.cart_id and i.product_id = o.product_id and i.quantity <= o.quantity
         ), reduced as (
             update cart.cart_items i
             set quantity = i.quantity - o.quantity
             from ordered o
             where i.cart_id = o.cart_id and i.product_id = o.product_id and i.quantity > o.quantity
         ), inserted as (
             insert into cart.checkouts (order_id, user_id)
             select o.order_id, o.owner_id
             from checkout o left join touched using (order_id)
             where not o.is_done and (o.cart_id is null or touched.id is not null)
             on conflict (order_id) do nothing -- there is no cart, and a concurrent call found the same
         )
         select o.is_done or o.cart_id is null or touched.id is not null as "is_done!"
         from checkout o left join touched using (order_id)
         order by o.position"#,
        lock_timeout,
        &order_ids,
        &owner_ids,
        &line_order_ids,
        &product_ids,
        &quantities,
    )
    .fetch_all(db)
    .await
}

/// Deletes at most `limit` rows older than `days`, and returns their number.
pub(crate) async fn delete_old(db: impl PgExecutor<'_>, days: i32, limit: i64) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        "delete from cart.checkouts
         where order_id = any (array (
             select order_id from cart.checkouts
             where cleared_at < now() - make_interval(days => $1)
             order by cleared_at
             limit $2
             for update skip locked
         ))",
        days,
        limit,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
