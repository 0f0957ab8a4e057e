//! Search by stock-keeping unit: a query that is the SKU of a variant finds its product.

use super::candidates::{Query, push_filter};
use crate::listing::filter::Filter;

/// Pushes the common table expression `by_sku`: the id of the product with a variant of this SKU, if it matches the filter.
pub(super) fn push_by_sku(query: &mut Query, filter: &Filter) {
    // The index of the constraint `variant_skus_are_unique` finds it.
    query
        .push(
            ", by_sku as materialized (
                 select p.id from catalog.products p
                 where p.archived_at is null and p.id = (
                     select v.product_id from catalog.variants v where v.archived_at is null and lower(v.sku) = lower(",
        )
        .push_bind(filter.text.clone())
        .push("::text))");
    push_filter(query, filter);
    query.push(")");
}
