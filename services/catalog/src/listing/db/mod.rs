//! Lists of products: one statement a page, put together from what is asked for.
//!
//! A page is picked first, by conditions and orders that an index serves; only what is picked is put together for
//! reading.

use sqlx::{PgPool, Postgres, QueryBuilder};

pub(crate) mod trigrams;

mod search;

use crate::{
    label::Ref,
    listing::{Cursor, Filter, Sort},
    product::Product,
};

/// Tags that a list is joined with.
const LEADING_TAGS: usize = 4;

pub(super) type Query = QueryBuilder<Postgres>;

/// A product of a page, with what it is sorted by.
#[derive(sqlx::FromRow)]
pub(crate) struct Listed {
    #[sqlx(flatten)]
    pub(crate) product: Product,
    name_key: String,
    score: i64,
}

impl Listed {
    /// Where the page after this product begins.
    pub(crate) fn cursor(&self, sort: Sort) -> Cursor {
        let Product { id, price_minor, .. } = self.product;
        match sort {
            Sort::Newest => Cursor::Newest(id),
            Sort::Oldest => Cursor::Oldest(id),
            Sort::PriceAsc => Cursor::PriceAsc(price_minor, id),
            Sort::PriceDesc => Cursor::PriceDesc(price_minor, id),
            Sort::NameAsc => Cursor::NameAsc(self.name_key.clone(), id),
            Sort::NameDesc => Cursor::NameDesc(self.name_key.clone(), id),
            Sort::Relevance => Cursor::Relevance(self.score, id),
        }
    }
}

/// The products that are asked for, and one more where there are more. `trigrams` is the schema of pg_trgm, quoted.
pub(crate) async fn page(db: &PgPool, filter: &Filter, trigrams: Option<&str>) -> sqlx::Result<Vec<Listed>> {
    let mut query = QueryBuilder::new("with ");
    match &filter.words {
        None => {
            query.push("candidates as (");
            push_candidates(&mut query, filter, |_| {}, |_| {});
            query.push("), picked as (");
            push_first(&mut query, filter, "candidates");
            query.push(")");
        }
        Some(words) => search::push_picked(&mut query, filter, words.as_slice(), trigrams),
    }
    query.push(
        " select p.*, picked.name_key, picked.score
         from picked join catalog.product_view p using (id)
         order by ",
    );
    query.push(order(filter.sort));
    // A search is planned for its words: how rare they are decides how they are best found.
    query.build_query_as().persistent(filter.words.is_none()).fetch_all(db).await
}

/// The order of `picked`.
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

/// Pushes a select of the products that the filter and `conditions` leave; scored where a score is pushed. Both speak
/// of the product `p`.
pub(super) fn push_candidates(
    query: &mut Query,
    filter: &Filter,
    score: impl FnOnce(&mut Query),
    conditions: impl FnOnce(&mut Query),
) {
    query.push("select p.id, p.price_minor, lower(p.name) collate \"C\" as name_key, 0::bigint");
    score(query);
    query.push(" as score from catalog.products p where p.archived_at is null");
    conditions(query);
    push_filter(query, filter);
}

/// Pushes a select of the first candidates after the cursor, in order: as many as a page has, and one more.
pub(super) fn push_first(query: &mut Query, filter: &Filter, candidates: &str) {
    query.push("select * from ").push(candidates).push(" picked");
    if let Some(cursor) = &filter.after {
        query.push(" where ");
        push_after(query, cursor);
    }
    query.push(" order by ").push(order(filter.sort));
    // A number of ours; written out, so that the planner knows how few are wanted.
    query.push(" limit ").push(filter.limit + 1);
}

fn push_filter(query: &mut Query, filter: &Filter) {
    push_categories(query, &filter.categories);
    push_tags(query, &filter.tags);
    if let Some(min) = filter.min_price_minor {
        query.push(" and p.price_minor >= ").push_bind(min);
    }
    if let Some(max) = filter.max_price_minor {
        query.push(" and p.price_minor <= ").push_bind(max);
    }
    match filter.in_stock {
        Some(true) => query.push(" and p.stock > 0"),
        Some(false) => query.push(" and p.stock = 0"),
        None => query,
    };
    if !filter.ids.is_empty() {
        query.push(" and p.id = any(").push_bind(filter.ids.clone()).push(")");
    }
}

/// The first tags lead to the products that may be meant, the others are looked for on each of these: fifty joins would
/// take the planner seconds.
fn push_tags(query: &mut Query, tags: &[Ref]) {
    let (leading, others) = tags.split_at(tags.len().min(LEADING_TAGS));
    for tag in leading {
        query.push(" and p.id in (select pt.product_id from catalog.product_tags pt where pt.tag_id = ");
        match tag {
            Ref::Id(id) => query.push_bind(*id),
            Ref::Name(name) => query
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
    // What is not there is null, which no array contains.
    query
        .push(
            " and (select array_agg(pt.tag_id) from catalog.product_tags pt where pt.product_id = p.id) @> (",
        )
        .push_bind(ids)
        .push(" || array(select (select t.id from catalog.tags t where lower(t.name) = lower(wanted.name)) from unnest(")
        .push_bind(names)
        .push("::text[]) as wanted (name)))");
}

fn push_categories(query: &mut Query, categories: &[Ref]) {
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

/// The ids, and the names.
fn split(refs: &[Ref]) -> (Vec<i32>, Vec<String>) {
    let mut ids = Vec::new();
    let mut names = Vec::new();
    for wanted in refs {
        match wanted {
            Ref::Id(id) => ids.push(*id),
            Ref::Name(name) => names.push(name.clone()),
        }
    }
    (ids, names)
}

/// Pushes that a product of `picked` comes after the cursor.
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
