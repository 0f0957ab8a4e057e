//! The SQL of the combined statements.

use std::{collections::HashMap, sync::Arc};

use bodega_runtime::{
    combiner::{self, BATCH_LOCK_TIMEOUT, NO_LOCK_TIMEOUT},
    database::Pool,
    timeouts::{INLINE_GRACE, WORK_LEASE},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Found, MAX_COUNTED_ORDERS, NewCheckout, PricedCheckout, Search};
use crate::{
    checkout::db::checkouts::{CheckoutState, RecordedKey, Stage},
    error::Error,
};

/// The results of a statement, in the order of its calls.
pub(super) type Results<T> = sqlx::Result<combiner::Results<T, Error>>;

fn all<T>(results: impl Iterator<Item = T>) -> combiner::Results<T, Error> {
    results.map(|result| Some(Ok(result))).collect()
}

/// Returns the setting `lock_timeout` of a statement. One that serves a single call waits until it times out itself.
fn lock_timeout<T>(calls: &[T]) -> &'static str {
    if calls.len() == 1 { NO_LOCK_TIMEOUT } else { BATCH_LOCK_TIMEOUT }
}

pub(super) async fn find(db: Pool, searches: Vec<Search>) -> Results<Found> {
    let (user_ids, keys): (Vec<_>, Vec<_>) =
        searches.iter().map(|search| (search.user_id, search.key.clone())).unzip();
    let rows = sqlx::query!(
        r#"select k.order_id as "key_order_id?",
                  k.expected_total_minor as "key_expected_total_minor?",
                  o.id as "id?", o.cart_version as "cart_version?", o.expected_total_minor as "expected_total_minor?",
                  o.stage as "stage?: Stage", coalesce(pending.clears_cart, false) as "clears_cart!",
                  coalesce(pending.releases_stock, false) as "releases_stock!",
                  (
                      select count(*)
                      from (
                          select from orders.orders p
                          where p.user_id = search.user_id and p.status = 'pending' limit $3
                      ) as counted
                  ) as "pending_orders!"
           from unnest($1::uuid[], $2::text[]) with ordinality as search (user_id, key, position)
           left join orders.idempotency_keys k on k.user_id = search.user_id and k.key = search.key
           left join orders.latest_checkouts l on l.user_id = search.user_id
           left join orders.orders o on o.id = l.order_id
           left join lateral (
               select bool_or(d.kind = 'clear_cart') as clears_cart, bool_or(d.kind = 'release_stock') as releases_stock
               from orders.outbox d where d.order_id = o.id and d.rejection is null
           ) as pending on true
           order by search.position"#,
        &user_ids,
        &keys as &[Option<String>],
        MAX_COUNTED_ORDERS,
    )
    .fetch_all(&db)
    .await?;
    let found = rows.into_iter().map(|row| {
        let key = row
            .key_order_id
            .map(|order_id| RecordedKey { order_id, expected_total_minor: row.key_expected_total_minor });
        let latest = match (row.id, row.cart_version, row.stage) {
            (Some(id), Some(cart_version), Some(stage)) => Some(CheckoutState {
                id,
                cart_version,
                expected_total_minor: row.expected_total_minor,
                stage,
                clears_cart: row.clears_cart,
                releases_stock: row.releases_stock,
            }),
            _ => None,
        };
        Found { key, latest, pending_orders: row.pending_orders }
    });
    Ok(all(found))
}

pub(super) async fn start(db: Pool, new: Vec<Arc<NewCheckout>>) -> Results<bool> {
    let column =
        |value: fn(&NewCheckout) -> Option<i64>| new.iter().map(|new| value(new)).collect::<Vec<_>>();
    let user_ids: Vec<_> = new.iter().map(|new| new.checkout.user_id).collect();
    let ids: Vec<_> = new.iter().map(|new| new.checkout.id).collect();
    let previous: Vec<_> = new.iter().map(|new| new.previous).collect();
    let cart_versions: Vec<_> = new.iter().map(|new| new.cart_version).collect();
    let expected_totals = column(|new| new.checkout.expected_total_minor);
    let keys: Vec<_> = new.iter().map(|new| new.key.clone()).collect();
    let traceparents: Vec<_> = new.iter().map(|new| new.traceparent.clone()).collect();
    let lines = || new.iter().flat_map(|new| new.checkout.lines.iter().map(|line| (new.checkout.id, line)));
    let line_orders: Vec<_> = lines().map(|(id, _)| id).collect();
    let product_ids: Vec<_> = lines().map(|(_, line)| line.product_id).collect();
    let quantities: Vec<_> = lines().map(|(_, line)| line.quantity).collect();
    let quoted_prices: Vec<_> = lines().map(|(_, line)| line.quoted_price_minor).collect();
    let started = sqlx::query_scalar!(
        r#"with settings as materialized (
               select set_config('lock_timeout', $12, true) as lock_timeout
           ), new as materialized (
               select new.*
               from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $13::text[])
                        as new (user_id, id, previous, cart_version, expected_total_minor, key, traceparent)
               where (select lock_timeout from settings) is not null
           ), latest as (
               insert into orders.latest_checkouts as l (user_id, order_id)
               select user_id, id from new order by user_id
               on conflict (user_id) do update set order_id = excluded.order_id
               where l.order_id = (select new.previous from new where new.id = excluded.order_id)
               returning l.order_id
           ), checkout as (
               insert into orders.orders (id, user_id, cart_version, status, expected_total_minor, traceparent,
                                          lease_until, recover_at)
               select new.id, user_id, cart_version, 'placing', expected_total_minor, traceparent,
                      lease_until, lease_until
               from new
               join latest on latest.order_id = new.id,
                    (select now() + make_interval(secs => $7) as lease_until) as lease
           ), items as (
               insert into orders.order_items (order_id, product_id, quantity, quoted_price_minor)
               select line.*
               from unnest($8::uuid[], $9::integer[], $10::integer[], $11::bigint[])
                        as line (order_id, product_id, quantity, quoted_price_minor)
               join latest using (order_id)
           ), key as (
               insert into orders.idempotency_keys (user_id, key, expected_total_minor, order_id)
               select user_id, key, expected_total_minor, new.id
               from new join latest on latest.order_id = new.id
               where key is not null
           )
           select order_id from latest"#,
        &user_ids,
        &ids,
        &previous as &[Option<Uuid>],
        &cart_versions,
        &expected_totals as &[Option<i64>],
        &keys as &[Option<String>],
        WORK_LEASE.as_secs_f64(),
        &line_orders,
        &product_ids,
        &quantities,
        &quoted_prices,
        lock_timeout(&new),
        &traceparents as &[Option<String>],
    )
    .fetch_all(&db)
    .await?;
    Ok(all(ids.iter().map(|id| started.contains(id))))
}

pub(super) async fn place(db: Pool, priced: Vec<Arc<PricedCheckout>>) -> Results<Option<OffsetDateTime>> {
    let ids: Vec<_> = priced.iter().map(|priced| priced.checkout.id).collect();
    let totals: Vec<_> = priced.iter().map(|priced| priced.priced.total_minor).collect();
    let currencies: Vec<_> = priced.iter().map(|priced| priced.priced.currency.clone()).collect();
    let lines = || {
        priced.iter().flat_map(|priced| {
            let lines = priced.checkout.lines.iter().zip(&priced.priced.prices);
            lines.map(|(line, price)| (priced.checkout.id, line.product_id, price))
        })
    };
    let line_orders: Vec<_> = lines().map(|(id, _, _)| id).collect();
    let product_ids: Vec<_> = lines().map(|(_, product_id, _)| product_id).collect();
    let names: Vec<_> = lines().map(|(_, _, price)| price.name.clone()).collect();
    let prices: Vec<_> = lines().map(|(_, _, price)| price.price_minor).collect();
    let placed = sqlx::query!(
        r#"with settings as materialized (
               select set_config('lock_timeout', $9, true) as lock_timeout
           ), locked as materialized (
               select id from orders.orders
               where id = any($1) and stage = 'placing' and (select lock_timeout from settings) is not null
               order by id
               for no key update
           ), placed as (
               update orders.orders o
               set status = 'pending', total_minor = total.minor, currency = total.currency, lease_until = null,
                   recover_at = null, placed_at = now(), updated_at = now()
               from locked
               join unnest($1::uuid[], $2::bigint[], $3::text[]) as total (order_id, minor, currency)
                    on total.order_id = locked.id
               where o.id = locked.id
               returning o.id, o.user_id, o.placed_at, o.traceparent
           ), items as (
               update orders.order_items i
               set name = line.name, price_minor = line.price
               from placed
               join unnest($4::uuid[], $5::integer[], $6::text[], $7::bigint[])
                        as line (order_id, product_id, name, price) on line.order_id = placed.id
               where i.order_id = placed.id and i.product_id = line.product_id
           ), event as (
               insert into orders.order_events (order_id, status, actor, created_at)
               select id, 'pending', user_id, placed_at from placed
           ), delivery as (
               insert into orders.outbox (order_id, kind, next_attempt_at, traceparent)
               select id, 'clear_cart', now() + make_interval(secs => $8), traceparent from placed
           )
           select id, placed_at as "placed_at!" from placed"#,
        &ids,
        &totals,
        &currencies,
        &line_orders,
        &product_ids,
        &names,
        &prices,
        INLINE_GRACE.as_secs_f64(),
        lock_timeout(&priced),
    )
    .fetch_all(&db)
    .await?;
    let placed: HashMap<_, _> = placed.into_iter().map(|row| (row.id, row.placed_at)).collect();
    Ok(all(ids.iter().map(|id| placed.get(id).copied())))
}

pub(super) async fn delete_clear_cart(db: Pool, order_ids: Vec<Uuid>) -> Results<()> {
    sqlx::query!(
        "with settings as materialized (
             select set_config('lock_timeout', $2, true) as lock_timeout
         ), locked as materialized (
             select order_id, kind from orders.outbox
             where order_id = any($1) and kind = 'clear_cart' and (select lock_timeout from settings) is not null
             order by order_id
             for update
         )
         delete from orders.outbox d using locked where d.order_id = locked.order_id and d.kind = locked.kind",
        &order_ids,
        lock_timeout(&order_ids),
    )
    .execute(&db)
    .await?;
    Ok(all(order_ids.iter().map(|_| ())))
}
