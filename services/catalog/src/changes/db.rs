//! Committed changes in `catalog.changes` and `catalog.stock_movements`.

use std::time::Duration;

use bodega_proto::catalog::v1::ProductChange;
use sqlx::{PgExecutor, postgres::types::PgInterval};
use time::OffsetDateTime;

use super::publish::Batch;

/// With more changed products, watchers have to forget everything.
const MAX_PRODUCTS: usize = 5_000;

/// A snapshot of the database: the changes that were visible in it are known.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Position {
    /// A `pg_snapshot`.
    snapshot: String,
    last_transaction: i64,
    /// Differs after a failover: the transactions of another server have the same numbers.
    server_started: OffsetDateTime,
}

/// Returns the current position.
pub(super) async fn position(db: impl PgExecutor<'_>) -> sqlx::Result<Position> {
    sqlx::query_as!(
        Position,
        r#"select pg_current_snapshot()::text as "snapshot!",
                  pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "last_transaction!",
                  pg_postmaster_start_time() as "server_started!""#
    )
    .fetch_one(db)
    .await
}

/// Returns the changes that were committed after a position, and the new position.
///
/// The bounds of the transactions allow an index scan. The upper one leaves out rows that were restored from another
/// server, whose transactions may have higher numbers. Rows of products are selected with arrays, for which the planner uses the
/// indexes whatever it assumes about the number of changes.
pub(super) async fn changes_since(
    db: impl PgExecutor<'_>,
    position: &Position,
) -> sqlx::Result<(Position, Batch)> {
    let row = sqlx::query!(
        r#"with recorded as (
               select kind, product_id from catalog.changes
               where changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                 and changed_in < pg_snapshot_xmax(pg_current_snapshot())
                 and not pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)
           ), moved as (
               select product_id, bool_or(delta > 0) as is_restocked from catalog.stock_movements
               where changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
                 and changed_in < pg_snapshot_xmax(pg_current_snapshot())
                 and not pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)
                 and reason <> 'initial'
               group by product_id
           ), changed_ids as materialized (
               select product_id as id from recorded where product_id is not null
               union
               select product_id from moved
               union -- the products of variants that were sold
               select variant_of from catalog.products
               where id = any(array(select product_id from moved)) and variant_of is not null
               union -- the variants of products whose details changed: also archived ones, which carts may contain
               select id from catalog.products
               where variant_of = any(array(select product_id from recorded where product_id is not null))
           ), state as materialized (
               select p.id, coalesce(p.variant_of, p.id) as product_id, p.is_sold is not null as has_several,
                      p.details_version, p.version, p.stock
               from catalog.products p where p.id = any(array(select id from changed_ids))
           ), several as materialized (
               select distinct product_id from state where has_several
           ), sum_of_versions as materialized (
               select product_id, sum(version)::bigint as version
               from (
                   select id as product_id, version from catalog.products
                   where id = any(array(select product_id from several))
                   union all
                   select variant_of, version from catalog.products
                   where variant_of = any(array(select product_id from several))
               ) of_product
               group by product_id
           ), changed as (
               select state.id, state.details_version, state.version, state.stock,
                      moved.is_restocked or state.stock = 0 as may_have_crossed,
                      -- If there are several variants.
                      case when state.has_several then sum_of_versions.version end as sum_of_versions
               from state
               left join sum_of_versions using (product_id)
               left join moved on moved.product_id = state.id
           )
           select pg_current_snapshot()::text as "snapshot!",
                  pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "last_transaction!",
                  pg_postmaster_start_time() as "server_started!",
                  exists (select from recorded) as "lists_changed!",
                  exists (select from recorded where kind = 'all') as "everything_changed!",
                  coalesce(bool_or(may_have_crossed), false) as "availability_changed!",
                  coalesce(array_agg(id), '{}') as "ids!",
                  coalesce(array_agg(coalesce(sum_of_versions, version)), '{}') as "versions!",
                  coalesce(array_agg(coalesce(sum_of_versions, details_version)), '{}') as "details_versions!",
                  coalesce(array_agg(stock), '{}') as "stocks!"
           from changed"#,
        position.snapshot,
    )
    .fetch_one(db)
    .await?;
    let new = Position {
        snapshot: row.snapshot,
        last_transaction: row.last_transaction,
        server_started: row.server_started,
    };
    let is_other_server =
        new.server_started != position.server_started || new.last_transaction < position.last_transaction;
    if is_other_server || row.everything_changed || row.ids.len() > MAX_PRODUCTS {
        return Ok((new, Batch::everything()));
    }
    let columns = row.ids.into_iter().zip(row.versions).zip(row.details_versions).zip(row.stocks);
    let products = columns.map(|(((product_id, version), details_version), stock)| ProductChange {
        product_id,
        version,
        details_version,
        stock,
    });
    let batch = Batch {
        products: products.collect(),
        lists_changed: row.lists_changed,
        availability_changed: row.availability_changed,
        ..Batch::default()
    };
    Ok((new, batch))
}

/// Deletes old changes.
pub(super) async fn delete_older_than(db: impl PgExecutor<'_>, age: Duration) -> sqlx::Result<()> {
    let age = PgInterval::try_from(age).map_err(sqlx::Error::Encode)?;
    sqlx::query!("delete from catalog.changes where created_at < now() - $1::interval", age)
        .execute(db)
        .await?;
    Ok(())
}
