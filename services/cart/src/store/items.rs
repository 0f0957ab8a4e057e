//! `cart.cart_items`: the lines.

use bodega_proto::catalog::v1::Product;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{cart::Line, owner::Owner};

/// Adds a line to the owner's cart, or its quantity to the line that is there, and raises the version.
///
/// A cart that is not there is made when it `may_create` one; else nothing happens.
pub(crate) async fn add(
    db: impl PgExecutor<'_>,
    owner: &Owner,
    may_create: bool,
    line: &Line,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with touched as (
             update cart.carts
             set version = version + 1, updated_at = clock_timestamp()
             where user_id = $2 or guest_token_hash = $3
             returning id
         ), created as (
             insert into cart.carts as c (id, user_id, guest_token_hash)
             select $1, $2, $3
             where $4 and not exists (select from touched)
             on conflict (user_id) do update -- somebody was faster
             set version = c.version + 1, updated_at = clock_timestamp()
             returning id
         )
         insert into cart.cart_items as i (cart_id, product_id, quantity, seen_price_minor, currency)
         select id, $5, $6, $7, $8
         from (select id from touched union all select id from created) cart
         on conflict (cart_id, product_id) do update
         set quantity = i.quantity + excluded.quantity,
             seen_price_minor = excluded.seen_price_minor,
             currency = excluded.currency",
        Uuid::now_v7(),
        owner.user_id(),
        owner.guest_token_hash(),
        may_create,
        line.product_id,
        line.quantity,
        line.seen_price_minor,
        line.currency,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sets a line's quantity and raises the version; `false` when the cart has no such line. What was seen stays where
/// there is no `product`.
pub(crate) async fn set(
    db: impl PgExecutor<'_>,
    owner: &Owner,
    product_id: i32,
    quantity: i32,
    product: Option<&Product>,
) -> sqlx::Result<bool> {
    let updated = sqlx::query!(
        "with touched as (
             update cart.carts
             set version = version + 1, updated_at = clock_timestamp()
             where user_id = $1 or guest_token_hash = $2
             returning id
         )
         update cart.cart_items i
         set quantity = $4,
             seen_price_minor = coalesce($5, i.seen_price_minor),
             currency = coalesce($6, i.currency)
         from touched
         where i.cart_id = touched.id and i.product_id = $3",
        owner.user_id(),
        owner.guest_token_hash(),
        product_id,
        quantity,
        product.map(|product| product.price_minor),
        product.map(|product| product.currency.as_str()),
    )
    .execute(db)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Removes a line and raises the version; `false` when the cart has no such line.
pub(crate) async fn remove(db: impl PgExecutor<'_>, owner: &Owner, product_id: i32) -> sqlx::Result<bool> {
    let deleted = sqlx::query!(
        "with touched as (
             update cart.carts
             set version = version + 1, updated_at = clock_timestamp()
             where user_id = $1 or guest_token_hash = $2
             returning id
         )
         delete from cart.cart_items i
         using touched
         where i.cart_id = touched.id and i.product_id = $3",
        owner.user_id(),
        owner.guest_token_hash(),
        product_id,
    )
    .execute(db)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Removes every line of a cart that is locked.
pub(crate) async fn remove_all(db: impl PgExecutor<'_>, cart_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from cart.cart_items where cart_id = $1", cart_id).execute(db).await?;
    Ok(())
}

/// Takes these quantities out of a cart that is locked; a line of which nothing is left goes.
pub(crate) async fn subtract(
    db: impl PgExecutor<'_>,
    cart_id: Uuid,
    product_ids: &[i32],
    quantities: &[i32],
) -> sqlx::Result<()> {
    sqlx::query!(
        "with ordered as (
             select product_id, sum(quantity) as quantity
             from unnest($2::integer[], $3::integer[]) as line (product_id, quantity)
             group by product_id
         ), used_up as (
             delete from cart.cart_items i
             using ordered o
             where i.cart_id = $1 and i.product_id = o.product_id and i.quantity <= o.quantity
         )
         update cart.cart_items i
         set quantity = i.quantity - o.quantity
         from ordered o
         where i.cart_id = $1 and i.product_id = o.product_id and i.quantity > o.quantity",
        cart_id,
        product_ids,
        quantities,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds the lines of one cart to those of another; both are locked. A line is cut to `max_quantity`; of the lines
/// that are new to the other cart, the oldest are taken until it has `max_lines`.
pub(crate) async fn merge(
    db: impl PgExecutor<'_>,
    from: Uuid,
    into: Uuid,
    max_quantity: i32,
    max_lines: usize,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into cart.cart_items as i (cart_id, product_id, quantity, seen_price_minor, currency, added_at)
         select $2, f.product_id, f.quantity, f.seen_price_minor, f.currency, f.added_at
         from cart.cart_items f
         left join cart.cart_items t on t.cart_id = $2 and t.product_id = f.product_id
         where f.cart_id = $1
         order by t.product_id is null, f.added_at, f.product_id -- those in both carts take no room
         limit $4 - (
             select count(*) from cart.cart_items t
             where t.cart_id = $2
               and not exists (select from cart.cart_items f where f.cart_id = $1 and f.product_id = t.product_id)
         )
         on conflict (cart_id, product_id) do update
         set quantity = least(i.quantity + excluded.quantity, $3),
             seen_price_minor = excluded.seen_price_minor,
             currency = excluded.currency",
        from,
        into,
        max_quantity,
        i64::try_from(max_lines).unwrap_or(i64::MAX),
    )
    .execute(db)
    .await?;
    Ok(())
}
