//! Lists with a price range, in another order than that of the prices.
//!
//! A narrow range is read with the index of prices, completely: in sort order, the database would read all products in search of
//! the few in the range. Of a wide range, the products of the page are found after a short way in sort order. Which one it is
//! shows a count, which ends at a bound.

use super::candidates::{Query, order, push_candidates, push_first, push_price_range};
use crate::listing::filter::Filter;

/// Maximum number of products in a narrow range.
const NARROW: i64 = 1_000;

/// Pushes the common table expressions up to `picked`.
pub(super) fn push_picked(query: &mut Query, filter: &Filter) {
    query.push(format_args!(
        "range as materialized (
             select count(*) <= {NARROW} as is_narrow
             from (select from catalog.products p where p.archived_at is null"
    ));
    push_price_range(query, filter);
    // The order makes the database read no more than this of the index of prices.
    query.push(format_args!(
        " order by p.price_minor, p.id limit {}) counted), narrow as materialized (",
        NARROW + 1
    ));
    push_candidates(query, filter, |query| _ = query.push(" and (select is_narrow from range)"));
    query.push("), wide as (");
    push_candidates(query, filter, |query| _ = query.push(" and not (select is_narrow from range)"));
    query.push("), picked as (select * from (select * from (");
    push_first(query, filter, "narrow");
    query.push(") narrow union all select * from (");
    push_first(query, filter, "wide");
    query.push(") wide) picked order by ").push(order(filter.sort));
    query.push(" limit ").push(filter.limit + 1).push(")");
}
