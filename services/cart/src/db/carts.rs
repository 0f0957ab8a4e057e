//! SQL that reads and locks carts, and deletes expired ones.

use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{
    cart::{Cart, Line},
    owner::Owner,
};

/// The lines of a cart as arrays, in the same order; `None` if there are none.
pub(super) struct Lines {
    pub(super) product_ids: Option<Vec<i32>>,
    pub(super) quantities: Option<Vec<i32>>,
    pub(super) quoted_prices_minor: Option<Vec<i64>>,
    pub(super) currencies: Option<Vec<String>>,
}

impl From<Lines> for Vec<Line> {
    fn from(lines: Lines) -> Self {
        let prices = lines.quoted_prices_minor.unwrap_or_default().into_iter();
        let prices = prices.zip(lines.currencies.unwrap_or_default());
        let quantities = lines.quantities.unwrap_or_default();
        let product_ids = lines.product_ids.unwrap_or_default().into_iter();
        product_ids
            .zip(quantities)
            .zip(prices)
            .map(|((product_id, quantity), (quoted_price_minor, currency))| Line {
                product_id,
                quantity,
                quoted_price_minor,
                currency,
            })
            .collect()
    }
}

/// Returns the owner's cart with its lines in the order of addition.
pub(crate) async fn load(db: impl PgExecutor<'_>, owner: &Owner) -> sqlx::Result<Option<Cart>> {
    let rows = sqlx::query!(
        r#"select c.version as "version!", c.updated_at as "updated_at!",
                  i.product_id as "product_id?", i.quantity as "quantity?",
                  i.quoted_price_minor as "quoted_price_minor?", i.currency as "currency?"
           from (
               select id, version, updated_at from cart.carts where user_id = $1
               union all
               select id, version, updated_at from cart.carts where guest_token_hash = $2
           ) c
           left join cart.cart_items i on i.cart_id = c.id
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

/// A cart as the order service reads it.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) cart: Cart,
    /// The guests whose carts were merged into this one.
    pub(crate) merged_guests: Vec<Uuid>,
}

/// Returns the carts of users and guests, in the same order; the default for one who has none.
pub(crate) async fn load_all(db: impl PgExecutor<'_>, owner_ids: &[Uuid]) -> sqlx::Result<Vec<Snapshot>> {
    let rows = sqlx::query!(
        r#"select c.version as "version?", c.updated_at as "updated_at?",
                  l.product_ids, l.quantities, l.quoted_prices_minor, l.currencies,
                  array(
                      select m.guest_id from cart.merged_guests m where m.user_id = owner.id order by m.guest_id
                  ) as "merged_guests!"
           from unnest($1::uuid[]) with ordinality as owner (id, position)
           left join lateral (
               select id, version, updated_at from cart.carts where user_id = owner.id
               union all
               -- The id of a guest is the first half of the hash.
               select id, version, updated_at from cart.carts
               where guest_token_hash between uuid_send(owner.id)
                                          and uuid_send(owner.id) || decode(repeat('ff', 16), 'hex')
               limit 1
           ) c on true
           cross join lateral (
               select array_agg(product_id) as product_ids,
                      array_agg(quantity) as quantities,
                      array_agg(quoted_price_minor) as quoted_prices_minor,
                      array_agg(currency) as currencies
               from (
                   select * from cart.cart_items where cart_id = c.id order by added_at, product_id
               ) line
           ) l
           order by owner.position"#,
        owner_ids,
    )
    .fetch_all(db)
    .await?;
    let snapshots = rows.into_iter().map(|row| Snapshot {
        cart: Cart {
            version: row.version.unwrap_or_default(),
            updated_at: row.updated_at,
            lines: Lines {
                product_ids: row.product_ids,
                quantities: row.quantities,
                quoted_prices_minor: row.quoted_prices_minor,
                currencies: row.currencies,
            }
            .into(),
        },
        merged_guests: row.merged_guests,
    });
    Ok(snapshots.collect())
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
    match owner {
        Owner::User(user_id) => {
            sqlx::query_scalar!("select id from cart.carts where user_id = $1 for update", user_id)
                .fetch_optional(db)
                .await
        }
        Owner::Guest(hash) => {
            sqlx::query_scalar!(
                "select id from cart.carts where guest_token_hash = $1 for update",
                hash.as_bytes()
            )
            .fetch_optional(db)
            .await
        }
    }
}

/// Locks the cart from which the orders of a user or guest are cleared, until the end of the transaction: a guest's may have been
/// merged into that of a user.
pub(crate) async fn lock_ordered(db: impl PgExecutor<'_>, owner_id: Uuid) -> sqlx::Result<()> {
    sqlx::query!(
        "select id from cart.carts
         where id = (
             select id from cart.carts where user_id = $1
             union all
             select id from cart.carts
             where guest_token_hash between uuid_send($1) and uuid_send($1) || decode(repeat('ff', 16), 'hex')
             union all
             select c.id from cart.merged_guests m join cart.carts c on c.user_id = m.user_id where m.guest_id = $1
             limit 1
         )
         for update",
        owner_id,
    )
    .fetch_optional(db)
    .await?;
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
