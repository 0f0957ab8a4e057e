//! SQL that adds units to lines of carts: one statement for any number of carts.

use sqlx::PgExecutor;
use uuid::Uuid;

use super::carts::Lines;
use crate::{
    cart::{Cart, Line, MAX_LINES, MAX_QUANTITY},
    error::Error,
    owner::Owner,
};

/// Units to add to an owner's cart.
#[derive(Clone, Debug)]
pub(crate) struct Addition {
    pub(crate) owner: Owner,
    /// Whether a missing cart is created. A guest's cart that was deleted must not be created again with its old token.
    pub(crate) may_create: bool,
    /// The product, the number of units to add, and the current price.
    pub(crate) line: Line,
}

/// Adds units to carts of different owners, raises the versions of these carts, and returns each cart after the change.
///
/// `None`: the cart was changed while the statement waited for its lock, and is left out. This cannot happen if the
/// transaction has locked the cart before. Other carts are not affected, and neither are they by a rejected addition.
///
/// Waits at most `lock_timeout` for each lock; 0 is without limit. When it passes, the statement fails and nothing changes.
pub(crate) async fn add(
    db: impl PgExecutor<'_>,
    lock_timeout: &str,
    additions: &[Addition],
) -> sqlx::Result<Vec<Option<Result<Cart, Error>>>> {
    let new_cart_ids: Vec<_> = additions.iter().map(|_| Uuid::now_v7()).collect();
    let user_ids: Vec<_> = additions.iter().map(|addition| addition.owner.user_id()).collect();
    let guest_token_hashes: Vec<_> =
        additions.iter().map(|addition| addition.owner.guest_token_hash().map(<[u8]>::to_vec)).collect();
    let may_create: Vec<_> = additions.iter().map(|addition| addition.may_create).collect();
    let product_ids: Vec<_> = additions.iter().map(|addition| addition.line.product_id).collect();
    let quantities: Vec<_> = additions.iter().map(|addition| addition.line.quantity).collect();
    let prices_minor: Vec<_> = additions.iter().map(|addition| addition.line.quoted_price_minor).collect();
    let currencies: Vec<_> = additions.iter().map(|addition| addition.line.currency.clone()).collect();
    let rows = sqlx::query!(
        r#"with lock_limit as materialized (
             select set_config('lock_timeout', $1, true) -- until the end of the transaction
         ), addition as materialized (
             select a.*, c.id is not null as has_cart, coalesce(c.id, a.new_cart_id) as cart_id, c.version as seen_version,
                    before.*
             from lock_limit -- read first, so that the limit is set before any lock is taken
             cross join unnest(
                 $2::uuid[], $3::uuid[], $4::bytea[], $5::boolean[], $6::integer[], $7::integer[], $8::bigint[], $9::text[]
             ) with ordinality as a (
                 new_cart_id, user_id, guest_token_hash, may_create, product_id, quantity, quoted_price_minor, currency,
                 position
             )
             left join lateral (
                 select id, version from cart.carts where user_id = a.user_id
                 union all
                 select id, version from cart.carts where guest_token_hash = a.guest_token_hash
             ) c on true
             cross join lateral (
                 select count(*) as line_count,
                        coalesce(max(quantity) filter (where product_id = a.product_id), 0) as quantity_before,
                        array_agg(product_id) as product_ids,
                        array_agg(quantity) as quantities,
                        array_agg(quoted_price_minor) as quoted_prices_minor,
                        array_agg(currency) as currencies
                 from (
                     select * from cart.cart_items where cart_id = c.id order by added_at, product_id
                 ) line
             ) before
         ), accepted as materialized (
             select * from addition
             where quantity_before + quantity <= $10 and (quantity_before > 0 or line_count < $11)
         ), touched as (
             update cart.carts c
             set version = c.version + 1, updated_at = clock_timestamp()
             from accepted a
             where c.id = a.cart_id and c.version = a.seen_version
             returning c.id, c.version, c.updated_at
         ), created as (
             insert into cart.carts (id, user_id, guest_token_hash)
             select cart_id, user_id, guest_token_hash from accepted where not has_cart and may_create
             on conflict do nothing -- created concurrently
             returning id, version, updated_at
         ), changed as (
             select * from touched union all select * from created
         ), written as (
             insert into cart.cart_items as i (cart_id, product_id, quantity, quoted_price_minor, currency)
             select a.cart_id, a.product_id, a.quantity, a.quoted_price_minor, a.currency
             from changed join accepted a on a.cart_id = changed.id
             on conflict (cart_id, product_id) do update
             set quantity = i.quantity + excluded.quantity,
                 quoted_price_minor = excluded.quoted_price_minor,
                 currency = excluded.currency
         )
         select a.has_cart as "has_cart!", a.line_count as "line_count!", a.quantity_before as "quantity_before!",
                changed.version as "version?", changed.updated_at as "updated_at?",
                a.product_ids, a.quantities, a.quoted_prices_minor, a.currencies
         from addition a left join changed on changed.id = a.cart_id
         order by a.position"#,
        lock_timeout,
        &new_cart_ids,
        &user_ids as &[Option<Uuid>],
        &guest_token_hashes as &[Option<Vec<u8>>],
        &may_create,
        &product_ids,
        &quantities,
        &prices_minor,
        &currencies,
        MAX_QUANTITY,
        i64::try_from(MAX_LINES).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;

    let results = additions.iter().zip(rows).map(|(addition, row)| {
        if let (Some(version), Some(updated_at)) = (row.version, row.updated_at) {
            let before = Lines {
                product_ids: row.product_ids,
                quantities: row.quantities,
                quoted_prices_minor: row.quoted_prices_minor,
                currencies: row.currencies,
            };
            let mut cart = Cart { version, updated_at: Some(updated_at), lines: before.into() };
            cart.add(&addition.line);
            return Some(Ok(cart));
        }
        if !row.has_cart && !addition.may_create {
            return Some(Err(Error::CartNotFound));
        }
        if row.quantity_before + addition.line.quantity > MAX_QUANTITY {
            return Some(Err(Error::QuantityOutOfRange));
        }
        if row.quantity_before == 0 && usize::try_from(row.line_count).is_ok_and(|count| count >= MAX_LINES) {
            return Some(Err(Error::CartFull));
        }
        None
    });
    Ok(results.collect())
}
