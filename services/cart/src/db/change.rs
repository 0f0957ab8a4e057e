//! SQL that changes or removes lines of one cart, in one statement.

use sqlx::PgExecutor;

use super::carts::Lines;
use crate::{cart::Cart, owner::Owner};

/// A change of a cart.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Sets the quantity of a line, and the price and currency if they are known.
    Set { product_id: i32, quantity: i32, price: Option<(i64, String)> },
    /// Removes a line.
    Remove { product_id: i32 },
    /// Removes all lines.
    Clear,
}

/// The result of a statement that changes a cart.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The cart after the change.
    Changed(Cart),
    /// The cart does not have the line.
    NoSuchLine,
    /// The owner has no cart.
    NoCart,
    /// The cart was changed while the statement waited for its lock, and this change was not made. Cannot happen if the
    /// transaction has locked the cart before.
    Conflict,
}

/// Changes the owner's cart and raises its version.
pub(crate) async fn change(db: impl PgExecutor<'_>, owner: &Owner, change: &Change) -> sqlx::Result<Outcome> {
    // `None` stands for all lines, and a quantity of 0 for the removal.
    let (product_id, quantity, price) = match change {
        Change::Set { product_id, quantity, price } => (Some(*product_id), *quantity, price.as_ref()),
        Change::Remove { product_id } => (Some(*product_id), 0, None),
        Change::Clear => (None, 0, None),
    };
    let row = sqlx::query!(
        r#"with seen as materialized (
             select c.*, before.*
             from (
                 select id, version from cart.carts where user_id = $1
                 union all
                 select id, version from cart.carts where guest_token_hash = $2
             ) c
             cross join lateral (
                 select array_agg(product_id) as product_ids,
                        array_agg(quantity) as quantities,
                        array_agg(quoted_price_minor) as quoted_prices_minor,
                        array_agg(currency) as currencies
                 from (
                     select * from cart.cart_items where cart_id = c.id order by added_at, product_id
                 ) line
             ) before
         ), touched as (
             update cart.carts c
             set version = c.version + 1, updated_at = clock_timestamp()
             from seen
             where c.id = seen.id and c.version = seen.version
               and ($3::integer is null or $3 = any (seen.product_ids))
             returning c.id, c.version, c.updated_at
         ), removed as (
             delete from cart.cart_items i
             using touched
             where i.cart_id = touched.id and $4::integer = 0 and ($3 is null or i.product_id = $3)
         ), changed as (
             update cart.cart_items i
             set quantity = $4,
                 quoted_price_minor = coalesce($5, i.quoted_price_minor),
                 currency = coalesce($6, i.currency)
             from touched
             where i.cart_id = touched.id and $4 > 0 and i.product_id = $3
         )
         select touched.version as "version?", touched.updated_at as "updated_at?",
                seen.product_ids, seen.quantities, seen.quoted_prices_minor, seen.currencies
         from seen left join touched using (id)"#,
        owner.user_id(),
        owner.guest_token_hash(),
        product_id,
        quantity,
        price.map(|(price_minor, _)| *price_minor),
        price.map(|(_, currency)| currency.as_str()),
    )
    .fetch_optional(db)
    .await?;

    let Some(row) = row else {
        return Ok(Outcome::NoCart);
    };
    let before = Lines {
        product_ids: row.product_ids,
        quantities: row.quantities,
        quoted_prices_minor: row.quoted_prices_minor,
        currencies: row.currencies,
    };
    let mut cart = Cart { version: 0, updated_at: row.updated_at, lines: before.into() };
    let Some(version) = row.version else {
        let has_line = product_id.is_none_or(|product_id| cart.contains(product_id));
        return Ok(if has_line { Outcome::Conflict } else { Outcome::NoSuchLine });
    };
    cart.version = version;
    match product_id {
        Some(product_id) if quantity > 0 => cart.set(product_id, quantity, price),
        Some(product_id) => cart.lines.retain(|line| line.product_id != product_id),
        None => cart.lines.clear(),
    }
    Ok(Outcome::Changed(cart))
}
