//! SQL of the table `cart.cart_items`: the lines of carts.

use bodega_proto::catalog::v1::Product;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{cart::Line, owner::Owner};

/// Adds a line to the owner's cart, or its quantity to the existing line, and raises the version. A missing cart is
/// created if `may_create`; otherwise nothing happens.
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
             on conflict (user_id) do update -- created concurrently
             set version = c.version + 1, updated_at = clock_timestamp()
             returning id
         )
         insert into cart.cart_items as i (cart_id, product_id, quantity, quoted_price_minor, currency)
         select id, $5, $6, $7, $8
         from (select id from touched union all select id from created) cart
         on conflict (cart_id, product_id) do update
         set quantity = i.quantity + excluded.quantity,
             quoted_price_minor = excluded.quoted_price_minor,
             currency = excluded.currency",
        Uuid::now_v7(),
        owner.user_id(),
        owner.guest_token_hash(),
        may_create,
        line.product_id,
        line.quantity,
        line.quoted_price_minor,
        line.currency,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sets the quantity of a line and raises the version; returns `false` if the cart has no such line. Without a `product`
/// the quoted price stays.
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
             quoted_price_minor = coalesce($5, i.quoted_price_minor),
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

/// Removes a line and raises the version; returns `false` if the cart has no such line.
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

/// Removes all lines of a locked cart.
pub(crate) async fn remove_all(db: impl PgExecutor<'_>, cart_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!("delete from cart.cart_items where cart_id = $1", cart_id).execute(db).await?;
    Ok(())
}

/// Subtracts quantities from the lines of a locked cart; lines without remaining units are deleted.
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

/// Adds the lines of one cart to another; both are locked. A line is limited to `max_quantity`. Of the
/// products that are new to the other cart, those added first are merged until that cart has `max_lines`.
pub(crate) async fn merge(
    db: impl PgExecutor<'_>,
    from: Uuid,
    into: Uuid,
    max_quantity: i32,
    max_lines: usize,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into cart.cart_items as i (cart_id, product_id, quantity, quoted_price_minor, currency, added_at)
         select $2, f.product_id, f.quantity, f.quoted_price_minor, f.currency, f.added_at
         from cart.cart_items f
         left join cart.cart_items t on t.cart_id = $2 and t.product_id = f.product_id
         where f.cart_id = $1
         order by t.product_id is null, f.added_at, f.product_id -- products in both carts add no line
         limit $4 - (
             select count(*) from cart.cart_items t
             where t.cart_id = $2
               and not exists (select from cart.cart_items f where f.cart_id = $1 and f.product_id = t.product_id)
         )
         on conflict (cart_id, product_id) do update
         set quantity = least(i.quantity + excluded.quantity, $3),
             quoted_price_minor = excluded.quoted_price_minor,
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
