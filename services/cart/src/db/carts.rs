//! SQL of the table `cart.carts`.

use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    cart::{Cart, Line},
    owner::Owner,
};

/// A cart without its lines.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) updated_at: OffsetDateTime,
}

/// Returns the owner's cart with its lines in the order of addition.
pub(crate) async fn load(db: impl PgExecutor<'_>, owner: &Owner) -> sqlx::Result<Option<Cart>> {
    let rows = sqlx::query!(
        r#"select c.version, c.updated_at,
                  i.product_id as "product_id?", i.quantity as "quantity?",
                  i.quoted_price_minor as "quoted_price_minor?", i.currency as "currency?"
           from cart.carts c
           left join cart.cart_items i on i.cart_id = c.id
           where c.user_id = $1 or c.guest_token_hash = $2
           order by i.added_at, i.product_id"#,
        owner.user_id(),
        owner.guest_token_hash(),
    )
    .fetch_all(db)
    .await?;
    let Some(head) = rows.first() else {
        return Ok(None);
    };
    let (version, updated_at) = (head.version, Some(head.updated_at));
    // The row of an empty cart has no line.
    let lines = rows.into_iter().filter_map(|row| {
        Some(Line {
            product_id: row.product_id?,
            quantity: row.quantity?,
            quoted_price_minor: row.quoted_price_minor?,
            currency: row.currency?,
        })
    });
    Ok(Some(Cart { version, updated_at, lines: lines.collect() }))
}

/// Raises the version of the owner's cart, which locks it until the end of the transaction.
pub(crate) async fn touch(db: impl PgExecutor<'_>, owner: &Owner) -> sqlx::Result<Option<Head>> {
    sqlx::query_as!(
        Head,
        "update cart.carts
         set version = version + 1, updated_at = clock_timestamp()
         where user_id = $1 or guest_token_hash = $2
         returning id, version, updated_at",
        owner.user_id(),
        owner.guest_token_hash(),
    )
    .fetch_optional(db)
    .await
}

/// Raises the version of the user's cart, which locks it, or creates the cart. Returns its id.
pub(crate) async fn touch_or_create(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Uuid> {
    sqlx::query_scalar!(
        "insert into cart.carts as c (id, user_id)
         values ($1, $2)
         on conflict (user_id) do update
         set version = c.version + 1, updated_at = clock_timestamp()
         returning id",
        Uuid::now_v7(),
        user_id,
    )
    .fetch_one(db)
    .await
}

/// Locks the owner's cart until the end of the transaction and returns its id.
pub(crate) async fn lock(db: impl PgExecutor<'_>, owner: &Owner) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from cart.carts
         where user_id = $1 or guest_token_hash = $2
         for update",
        owner.user_id(),
        owner.guest_token_hash(),
    )
    .fetch_optional(db)
    .await
}

/// Deletes a cart and its lines.
pub(crate) async fn delete(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from cart.carts where id = $1", id).execute(db).await?;
    Ok(())
}

/// Deletes at most `limit` guests' carts that have not changed for `days`, and returns their number.
pub(crate) async fn delete_stale_guests(db: impl PgExecutor<'_>, days: i32, limit: i64) -> sqlx::Result<u64> {
    let deleted = sqlx::query!(
        "delete from cart.carts
         where id = any (array (
             select id from cart.carts
             where guest_token_hash is not null
               -- The index has the day, which is not exact: the time decides.
               and updated_on <= ((now() - make_interval(days => $1)) at time zone 'UTC')::date
               and updated_at < now() - make_interval(days => $1)
             order by updated_on
             limit $2
             for update skip locked -- a locked cart is in use, or being deleted
         ))",
        days,
        limit,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}
