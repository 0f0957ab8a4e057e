//! SQL of the cleanup. Each statement deletes a limited number of rows, so that none takes long.

use std::time::Duration;

use bodega_runtime::database::Pool;
use uuid::{Timestamp, Uuid};

const BATCH: i64 = 500;

/// Deletes rejected checkouts with their lines and idempotency keys. The latest checkout of a user is kept, and so is one whose
/// stock is still to be released. That of a guest is not kept: the next one finds none, as the first did. Returns their number.
pub(super) async fn delete_rejected(db: &Pool, age: Duration) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "with rejected as materialized (
             select id from orders.orders o
             where status = 'rejected' and created_at < now() - make_interval(secs => $1)
               and not exists (
                   select from orders.latest_checkouts l
                   where l.order_id = o.id and l.merged_into is null and l.user_id is distinct from o.guest_id
               )
               and not exists (select from orders.outbox d where d.order_id = o.id)
             order by created_at limit $2
             for update skip locked
         ), guests as (
             delete from orders.latest_checkouts where order_id in (select id from rejected)
         ), keys as (
             delete from orders.idempotency_keys where order_id in (select id from rejected)
         ), items as (
             delete from orders.order_items where order_id in (select id from rejected)
         )
         delete from orders.orders where id in (select id from rejected)",
        age.as_secs_f64(),
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes what guests have entered in rejected checkouts: the latest one of a guest is kept, and there is no account with which its
/// personal data would be erased. Returns the number of checkouts.
pub(super) async fn delete_contacts_of_rejected(db: &Pool, age: Duration) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from orders.order_contacts
         where order_id = any (array (
             select o.id from orders.orders o
             join orders.order_contacts c on c.order_id = o.id
             where o.status = 'rejected' and o.created_at < now() - make_interval(secs => $1) and c.user_id is null
             order by o.created_at limit $2
         ))",
        age.as_secs_f64(),
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes the idempotency keys of orders that are older than `age`. Returns their number.
pub(super) async fn delete_keys(db: &Pool, age: Duration) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from orders.idempotency_keys
         where (user_id, key) in (
             select user_id, key from orders.idempotency_keys
             where order_id < $1
             order by order_id limit $2
             for update skip locked
         )",
        first_order_after(age),
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Returns an id that is greater than that of any order placed before `age` ago.
fn first_order_after(age: Duration) -> Uuid {
    let seconds =
        time::OffsetDateTime::now_utc().unix_timestamp().unsigned_abs().saturating_sub(age.as_secs());
    Uuid::new_v7(Timestamp::from_unix_time(seconds, 0, 0, 0))
}

/// Deletes provider events that were applied before `age` ago. Returns their number.
pub(super) async fn delete_provider_events(db: &Pool, age: Duration) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "delete from orders.provider_events
         where (provider, id) in (
             select provider, id from orders.provider_events
             where applied_at < now() - make_interval(secs => $1)
             order by applied_at limit $2
             for update skip locked
         )",
        age.as_secs_f64(),
        BATCH,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Users in a call to identity.
const USERS: i64 = 1_000;

/// Returns users who have entered personal data at checkout, in the order of their ids, after one of them.
pub(super) async fn users_with_contacts(db: &Pool, after: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select distinct user_id as "user_id!" from orders.order_contacts
           where user_id > $1 order by "user_id!" limit $2"#,
        after,
        USERS,
    )
    .fetch_all(db)
    .await
}

/// Deletes what users have entered at checkout, and the hashes of it. Returns the number of their orders. A checkout that is being
/// placed keeps it until a later call: the process that continues it must compute the same total.
pub(super) async fn delete_contacts(db: &Pool, user_ids: &[Uuid]) -> sqlx::Result<u64> {
    let done = sqlx::query!(
        "with hashes as (
             update orders.orders set request_hash = null
             where user_id = any($1) and status <> 'placing' and request_hash is not null
         ), keys as (
             -- The keys of an order that was claimed are those of the guest.
             update orders.idempotency_keys k set request_hash = null
             from orders.orders o
             where o.user_id = any($1) and o.status <> 'placing' and k.order_id = o.id and k.request_hash is not null
         )
         delete from orders.order_contacts c
         using orders.orders o
         where c.user_id = any($1) and o.id = c.order_id and o.status <> 'placing'",
        user_ids,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
