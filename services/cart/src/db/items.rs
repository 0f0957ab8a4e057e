//! SQL that merges the lines of carts.

use sqlx::PgExecutor;
use uuid::Uuid;

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
