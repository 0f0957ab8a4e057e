//! Reserving stock, and finding reservations.

use bodega_runtime::{
    combiner::{BATCH_LOCK_TIMEOUT, NO_LOCK_TIMEOUT},
    database::Pool,
};
use uuid::Uuid;

use crate::reservations::lines::{AttemptedLine, ExistingLine, ReservationStatus};

/// Treatment of rows that another transaction has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reservations) enum Locked {
    /// Waits until the statement times out.
    Wait,
    /// Fails after [`BATCH_LOCK_TIMEOUT`]: see [`is_lock_timeout`].
    WaitShortly,
    /// Reserves nothing for the orders of locked products.
    Skip,
}

impl Locked {
    /// Returns the setting `lock_timeout`.
    fn timeout(self) -> &'static str {
        match self {
            Self::Wait => NO_LOCK_TIMEOUT,
            Self::WaitShortly | Self::Skip => BATCH_LOCK_TIMEOUT,
        }
    }
}

/// Returns whether a statement failed because it has waited too long for a lock.
pub(in crate::reservations) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}

/// Lines of orders in the sequence in which the orders get stock: one entry of each column per line.
#[derive(Debug, Default)]
pub(in crate::reservations) struct RequestedLines {
    pub(in crate::reservations) order_ids: Vec<Uuid>,
    pub(in crate::reservations) product_ids: Vec<i32>,
    pub(in crate::reservations) quantities: Vec<i32>,
    /// The quantity of the product in this line and in those of the orders before.
    pub(in crate::reservations) sums: Vec<i64>,
}

/// The statement of [`attempt`], with the clause that locks the products.
///
/// An order is reserved if there is enough stock for each of its lines after all orders before it, and if it has no
/// reservation: then its row is inserted, and only then its lines, their movements and the new stock are written. The
/// setting of the lock timeout is read by the query that locks, so it is made before.
macro_rules! attempt {
    ($lock:literal, $db:expr, $lines:expr, $currency:expr, $timeout:expr) => {
        sqlx::query_as!(
            AttemptedLine,
            r#"with settings as materialized (
                   select set_config('lock_timeout', $6, true) as lock_timeout
               ), locked as materialized (
                   select p.id, p.variant_of, p.is_sold is null as is_only_variant, p.currency,
                          coalesce(p.variant_price_minor, p.price_minor) as price_minor,
                          -- Not of the locked row, as are the details of the variant: they almost never change.
                          case when p.variant_of is null then p.name else (
                              select product.name from catalog.products product where product.id = p.variant_of
                          ) end as name,
                          case when p.variant_of is null then p.category_id else (
                              select product.category_id from catalog.products product where product.id = p.variant_of
                          ) end as category_id,
                          case when (p.archived_at is null or p.variant_of is not null) and p.is_sold is not false
                                    and p.currency = $5 then p.stock else 0 end as available
                   from catalog.products p
                   where p.id = any($2) and (select lock_timeout from settings) is not null
                   order by id
                   "#
                + $lock
                + r#"
               ), line as materialized (
                   select line.*, locked.id is not null as is_found, locked.name, locked.price_minor, locked.currency,
                          coalesce(locked.available, 0) as available, locked.variant_of, locked.is_only_variant,
                          locked.category_id, v.sku, nullif(array_to_string(v.option_values, ' / '), '') as variant_name,
                          v.tax_class, v.weight_grams, v.requires_shipping
                   from unnest($1::uuid[], $2::integer[], $3::integer[], $4::bigint[])
                            as line (order_id, product_id, quantity, sum)
                        left join locked on locked.id = line.product_id
                        left join catalog.variants v on v.id = locked.id
               ), reserved as (
                   insert into catalog.reservations (order_id, status)
                   select order_id, 'reserved' from line
                   group by order_id having bool_and(sum <= available)
                   order by order_id
                   on conflict (order_id) do nothing
                   returning order_id
               ), taken as (
                   update catalog.products p
                   set stock = p.stock - total.quantity, version = p.version + 1
                   from (
                       select product_id, sum(quantity)::integer as quantity
                       from line join reserved using (order_id)
                       group by product_id
                   ) as total
                   where p.id = total.product_id
                   returning p.id, p.version, p.details_version, p.stock, total.quantity
               ), lines as (
                   insert into catalog.reservation_lines (order_id, product_id, quantity, name, price_minor, currency, variant_of,
                                                          sku, variant_name, tax_class, category_id, weight_grams,
                                                          requires_shipping)
                   select order_id, product_id, quantity, name, price_minor, currency, variant_of, sku, variant_name, tax_class,
                          category_id, weight_grams, requires_shipping
                   from line join reserved using (order_id)
               ), movements as (
                   insert into catalog.stock_movements (product_id, delta, reason, order_id)
                   select product_id, -quantity, 'reserved', order_id from line join reserved using (order_id)
               )
               select line.order_id as "order_id!", line.product_id as "product_id!",
                      reserved.order_id is not null as "is_reserved!",
                      not is_found and exists (select from catalog.products p where p.id = line.product_id)
                          as "is_locked!",
                      line.available as "available!", line.name as "name?", line.price_minor as "price_minor?",
                      line.currency as "currency?", line.variant_of as "variant_of?", line.sku as "sku?",
                      line.variant_name as "variant_name?", line.tax_class as "tax_class?",
                      line.category_id as "category_id?", line.weight_grams as "weight_grams?",
                      line.requires_shipping as "requires_shipping?",
                      coalesce(line.is_only_variant, true) as "is_only_variant!", taken.version as "version?",
                      taken.details_version as "details_version?", taken.stock as "stock?", taken.quantity as "taken?"
               from line
               left join reserved using (order_id)
               left join taken on taken.id = line.product_id"#,
            &$lines.order_ids,
            &$lines.product_ids,
            &$lines.quantities,
            &$lines.sums,
            $currency,
            $timeout,
        )
        .fetch_all($db)
        .await
    };
}

/// Reserves all lines of each order, or none, and returns what became of every line. An order that gets none has a
/// reservation already, or there may not be enough stock for it.
pub(in crate::reservations) async fn attempt(
    db: &Pool,
    lines: &RequestedLines,
    currency: &str,
    locked: Locked,
) -> sqlx::Result<Vec<AttemptedLine>> {
    let timeout = locked.timeout();
    match locked {
        Locked::Wait | Locked::WaitShortly => {
            attempt!("for no key update", db, lines, currency, timeout)
        }
        Locked::Skip => attempt!("for no key update skip locked", db, lines, currency, timeout),
    }
}

/// Returns the reservations of those orders that have one, with lines ordered by product id.
pub(in crate::reservations) async fn find(db: &Pool, order_ids: &[Uuid]) -> sqlx::Result<Vec<ExistingLine>> {
    sqlx::query_as!(
        ExistingLine,
        r#"select r.order_id, r.status as "status: ReservationStatus", line.product_id as "product_id?",
                  line.name as "name?", line.price_minor as "price_minor?", line.currency as "currency?",
                  line.quantity as "quantity?", line.variant_of as "variant_of?", line.sku as "sku?",
                  line.variant_name as "variant_name?", line.tax_class as "tax_class?",
                  line.category_id as "category_id?", line.weight_grams as "weight_grams?",
                  line.requires_shipping as "requires_shipping?"
           from catalog.reservations r
           left join catalog.reservation_lines line on line.order_id = r.order_id
           where r.order_id = any($1)
           order by line.product_id"#,
        order_ids,
    )
    .fetch_all(db)
    .await
}
