//! The conditions, order and limit of a page.

use sqlx::{Postgres, QueryBuilder};

use crate::{
    categories_and_tags::IdOrName,
    listing::{
        filter::Filter,
        sort::{Cursor, Sort},
    },
};

/// Maximum number of tags that are joined: with more joins, planning takes seconds.
const MAX_JOINED_TAGS: usize = 4;

/// Whether another variant of the product `p` than the first is in stock. Not `exists`, for which the planner may read all variants
/// of all products.
const OTHER_IN_STOCK: &str = "coalesce((
    select true from catalog.products s where s.variant_of = p.id and s.is_sold and not s.is_sold_out limit 1
), false)";

pub(super) type Query = QueryBuilder<Postgres>;

/// Returns the sort order of the common table expression `picked`.
pub(super) fn order(sort: Sort) -> &'static str {
    match sort {
        Sort::Newest => "picked.id desc",
        Sort::Oldest => "picked.id",
        Sort::PriceAsc => "picked.price_minor, picked.id",
        Sort::PriceDesc => "picked.price_minor desc, picked.id desc",
        Sort::NameAsc => "picked.name_key, picked.id",
        Sort::NameDesc => "picked.name_key desc, picked.id desc",
        Sort::Relevance => "picked.score desc, picked.id desc",
    }
}

/// Pushes a query for the sort keys of the products `p` that match the filter. `conditions` pushes more conditions.
pub(super) fn push_candidates(query: &mut Query, filter: &Filter, conditions: impl FnOnce(&mut Query)) {
    push_keys(query, |_| {}, conditions);
    push_filter(query, filter);
}

/// Pushes a query for the sort keys of products `p`. `score` pushes terms that are added to the score.
pub(super) fn push_keys(
    query: &mut Query,
    score: impl FnOnce(&mut Query),
    conditions: impl FnOnce(&mut Query),
) {
    query.push("select p.id, p.price_minor, lower(p.name) collate \"C\" as name_key, 0::bigint");
    score(query);
    query.push(" as score from catalog.products p where p.archived_at is null");
    conditions(query);
}

/// Pushes a query for the first candidates after the cursor: the products of a page, and one more.
pub(super) fn push_first(query: &mut Query, filter: &Filter, candidates: &str) {
    query.push("select * from ").push(candidates).push(" picked");
    if let Some(cursor) = &filter.after {
        query.push(" where ");
        push_after(query, cursor);
    }
    query.push(" order by ").push(order(filter.sort));
    // A literal, so that the planner knows how few rows are needed.
    query.push(" limit ").push(filter.limit + 1);
}

/// Pushes the conditions of the filter, except for the words.
pub(super) fn push_filter(query: &mut Query, filter: &Filter) {
    push_categories(query, &filter.categories);
    push_tags(query, &filter.tags);
    push_price_range(query, filter);
    match filter.in_stock {
        Some(true) => query.push(format_args!(
            " and (not p.is_sold_out and p.is_sold is not false or p.is_sold is not null and {OTHER_IN_STOCK})"
        )),
        // Written as in the index of these products.
        Some(false) => query.push(format_args!(
            " and (p.is_sold_out or p.is_sold is false) and (p.is_sold is null or not {OTHER_IN_STOCK})"
        )),
        None => query,
    };
    if !filter.ids.is_empty() {
        query.push(" and p.id = any(").push_bind(filter.ids.clone()).push(")");
    }
}

pub(super) fn push_price_range(query: &mut Query, filter: &Filter) {
    if let Some(min) = filter.min_price_minor {
        query.push(" and p.price_minor >= ").push_bind(min);
    }
    if let Some(max) = filter.max_price_minor {
        query.push(" and p.price_minor <= ").push_bind(max);
    }
}

/// Pushes the condition that a product has all tags. The first tags are joined; the others are compared with the tags
/// of each product that has the first ones.
fn push_tags(query: &mut Query, tags: &[IdOrName]) {
    let (joined, others) = tags.split_at(tags.len().min(MAX_JOINED_TAGS));
    for tag in joined {
        query.push(" and p.id in (select pt.product_id from catalog.product_tags pt where pt.tag_id = ");
        match tag {
            IdOrName::Id(id) => query.push_bind(*id),
            IdOrName::Name(name) => query
                .push("(select t.id from catalog.tags t where lower(t.name) = lower(")
                .push_bind(name.clone())
                .push("))"),
        };
        query.push(")");
    }
    if others.is_empty() {
        return;
    }
    let (ids, names) = split(others);
    // An unknown name becomes null, which no array contains.
    query
        .push(
            " and (select array_agg(pt.tag_id) from catalog.product_tags pt where pt.product_id = p.id) @> (",
        )
        .push_bind(ids)
        .push(" || array(select (select t.id from catalog.tags t where lower(t.name) = lower(wanted.name)) from unnest(")
        .push_bind(names)
        .push("::text[]) as wanted (name)))");
}

fn push_categories(query: &mut Query, categories: &[IdOrName]) {
    if categories.is_empty() {
        return;
    }
    let (ids, names) = split(categories);
    query.push(" and p.category_id = any(").push_bind(ids);
    if !names.is_empty() {
        query
            .push(" || array(select c.id from catalog.categories c where lower(c.name) in (select lower(wanted.name) from unnest(")
            .push_bind(names)
            .push("::text[]) as wanted (name)))");
    }
    query.push(")");
}

/// Splits references into ids and names.
fn split(references: &[IdOrName]) -> (Vec<i32>, Vec<String>) {
    let mut ids = Vec::new();
    let mut names = Vec::new();
    for reference in references {
        match reference {
            IdOrName::Id(id) => ids.push(*id),
            IdOrName::Name(name) => names.push(name.clone()),
        }
    }
    (ids, names)
}

/// Pushes the condition that a row of `picked` comes after the cursor.
fn push_after(query: &mut Query, cursor: &Cursor) {
    match cursor {
        Cursor::Newest(id) => query.push("picked.id < ").push_bind(*id),
        Cursor::Oldest(id) => query.push("picked.id > ").push_bind(*id),
        Cursor::PriceAsc(price_minor, id) => {
            push_row(query, "(picked.price_minor, picked.id) > ", *price_minor, *id)
        }
        Cursor::PriceDesc(price_minor, id) => {
            push_row(query, "(picked.price_minor, picked.id) < ", *price_minor, *id)
        }
        Cursor::NameAsc(name, id) => push_row(query, "(picked.name_key, picked.id) > ", name.clone(), *id),
        Cursor::NameDesc(name, id) => push_row(query, "(picked.name_key, picked.id) < ", name.clone(), *id),
        Cursor::Relevance(score, id) => push_row(query, "(picked.score, picked.id) < ", *score, *id),
    };
}

fn push_row<'q, K>(query: &'q mut Query, comparison: &str, key: K, id: i32) -> &'q mut Query
where
    K: for<'a> sqlx::Encode<'a, Postgres> + sqlx::Type<Postgres> + Send + 'static,
{
    query.push(comparison).push("(").push_bind(key).push(", ").push_bind(id).push(")")
}
