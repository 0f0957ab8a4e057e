//! The SQL of the combined statements, except that of placed orders.

use std::sync::Arc;

use bodega_runtime::{
    combiner::{self, BATCH_LOCK_TIMEOUT, NO_LOCK_TIMEOUT},
    database::Pool,
    timeouts::WORK_LEASE,
};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Found, MAX_COUNTED_ORDERS, NewCheckout, Search};
use crate::{
    checkout::{
        db::checkouts::{CheckoutState, RecordedKey, Stage},
        form::{Choices, Personal},
    },
    error::Error,
};

/// The results of a statement, in the order of its calls.
pub(super) type Results<T> = sqlx::Result<combiner::Results<T, Error>>;

pub(super) fn all<T>(results: impl Iterator<Item = T>) -> combiner::Results<T, Error> {
    results.map(|result| Some(Ok(result))).collect()
}

/// Returns the setting `lock_timeout` of a statement. One that serves a single call waits until it times out itself.
pub(super) fn lock_timeout<T>(calls: &[T]) -> &'static str {
    if calls.len() == 1 { NO_LOCK_TIMEOUT } else { BATCH_LOCK_TIMEOUT }
}

pub(super) async fn find(db: Pool, searches: Vec<Search>) -> Results<Found> {
    let (user_ids, keys): (Vec<_>, Vec<_>) =
        searches.iter().map(|search| (search.user_id, search.key.clone())).unzip();
    let rows = sqlx::query!(
        r#"select k.order_id as "key_order_id?",
                  k.expected_total_minor as "key_expected_total_minor?", k.request_hash as "key_request_hash?",
                  o.id as "id?", o.cart_version as "cart_version?", o.expected_total_minor as "expected_total_minor?",
                  o.request_hash as "request_hash?", o.stage as "stage?: Stage", coalesce(pending.clears_cart, false) as "clears_cart!",
                  coalesce(pending.releases_stock, false) as "releases_stock!",
                  (
                      select count(*)
                      from (
                          select from orders.orders p
                          where p.user_id = search.user_id and p.status = 'pending' limit $3
                      ) as counted
                  ) as "pending_orders!",
                  (select revision > 0 from orders.settings where is_single) as "has_rules!",
                  array(
                      select m.user_id from orders.latest_checkouts m where m.merged_into = search.user_id
                  ) as "merged_guests!"
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
        let key = row.key_order_id.map(|order_id| RecordedKey {
            order_id,
            expected_total_minor: row.key_expected_total_minor,
            request_hash: row.key_request_hash,
        });
        let latest = match (row.id, row.cart_version, row.stage) {
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
        };
        Found {
            key,
            latest,
            pending_orders: row.pending_orders,
            has_rules: row.has_rules,
            merged_guests: row.merged_guests,
        }
    });
    Ok(all(found))
}

/// Returns the JSON of a part of a form, or `None` for an empty one.
fn stored<T: Default + PartialEq>(part: &T) -> Option<Json<&T>> {
    (*part != T::default()).then_some(Json(part))
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
    let request_hashes: Vec<_> = new.iter().map(|new| new.request_hash.as_deref()).collect();
    let choices: Vec<_> = new.iter().map(|new| stored(&new.checkout.form.choices)).collect();
    let personal: Vec<_> = new.iter().map(|new| stored(&new.checkout.form.personal)).collect();
    let lines = || new.iter().flat_map(|new| new.checkout.lines.iter().map(|line| (new.checkout.id, line)));
    let line_orders: Vec<_> = lines().map(|(id, _)| id).collect();
    let product_ids: Vec<_> = lines().map(|(_, line)| line.product_id).collect();
    let quantities: Vec<_> = lines().map(|(_, line)| line.quantity).collect();
    let quoted_prices: Vec<_> = lines().map(|(_, line)| line.quoted_price_minor).collect();
    let guest_ids: Vec<_> = new.iter().map(|new| new.checkout.guest_id).collect();
    let access_key_hashes: Vec<_> = new.iter().map(|new| new.access_key_hash.as_deref()).collect();
    let merged =
        || new.iter().flat_map(|new| new.merged_guests.iter().map(|guest| (new.checkout.id, *guest)));
    let merged_orders: Vec<_> = merged().map(|(id, _)| id).collect();
    let merged_guests: Vec<_> = merged().map(|(_, (guest_id, _))| guest_id).collect();
    let merged_previous: Vec<_> = merged().map(|(_, (_, previous))| previous).collect();
    let started = sqlx::query_scalar!(
        r#"with settings as materialized (
               select set_config('lock_timeout', $12, true) as lock_timeout
           ), new as materialized (
               select new.*
               from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $13::text[],
                           $14::bytea[], $15::jsonb[], $16::jsonb[], $17::uuid[], $18::bytea[])
                        as new (user_id, id, previous, cart_version, expected_total_minor, key, traceparent,
                                request_hash, choices, personal, guest_id, access_key_hash)
               where (select lock_timeout from settings) is not null
           ), expected as materialized (
               select user_id, id as order_id, previous, null::uuid as merged_into from new
               union all
               select guest.id, guest.order_id, guest.previous, new.user_id
               from unnest($19::uuid[], $20::uuid[], $21::uuid[]) as guest (order_id, id, previous)
               join new on new.id = guest.order_id
           ), found as (
               insert into orders.latest_checkouts as l (user_id, order_id, merged_into)
               select user_id, order_id, merged_into from expected order by user_id
               on conflict (user_id) do update set order_id = excluded.order_id, merged_into = excluded.merged_into
               where l.order_id = (
                   select e.previous from expected e
                   where e.order_id = excluded.order_id and e.user_id = excluded.user_id
               )
               returning l.order_id
           ), latest as (
               select order_id from found
               group by order_id
               having count(*) = (select count(*) from expected e where e.order_id = found.order_id)
           ), checkout as (
               insert into orders.orders (id, user_id, cart_version, status, expected_total_minor, traceparent,
                                          request_hash, choices, guest_id, access_key_hash, lease_until, recover_at)
               select new.id, user_id, cart_version, 'placing', expected_total_minor, traceparent,
                      request_hash, choices, guest_id, access_key_hash, lease_until, lease_until
               from new
               join latest on latest.order_id = new.id,
                    (select now() + make_interval(secs => $7) as lease_until) as lease
           ), items as (
               insert into orders.order_items (order_id, product_id, quantity, quoted_price_minor)
               select line.*
               from unnest($8::uuid[], $9::integer[], $10::integer[], $11::bigint[])
                        as line (order_id, product_id, quantity, quoted_price_minor)
               join latest using (order_id)
           ), contact as (
               insert into orders.order_contacts (order_id, user_id, details)
               select new.id, nullif(user_id, guest_id), personal
               from new join latest on latest.order_id = new.id
               where personal is not null
           ), key as (
               insert into orders.idempotency_keys (user_id, key, expected_total_minor, request_hash, order_id)
               select user_id, key, expected_total_minor, request_hash, new.id
               from new join latest on latest.order_id = new.id
               where key is not null
           )
           select order_id as "order_id!" from latest"#,
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
        &request_hashes as &[Option<&[u8]>],
        &choices as &[Option<Json<&Choices>>],
        &personal as &[Option<Json<&Personal>>],
        &guest_ids as &[Option<Uuid>],
        &access_key_hashes as &[Option<&[u8]>],
        &merged_orders,
        &merged_guests,
        &merged_previous as &[Option<Uuid>],
    )
    .fetch_all(&db)
    .await?;
    Ok(all(ids.iter().map(|id| started.contains(id))))
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
