//! Lists of products, one statement per page.
//!
//! A page first selects sort keys, with conditions and orders that an index supports; only the selected products are then
//! read from the view.

mod candidates;
mod price_range;
mod search;
mod sku;

use bodega_runtime::database::Pool;
use sqlx::{PgExecutor, QueryBuilder};

use self::candidates::{Query, order, push_candidates, push_first};
use super::{
    filter::Filter,
    sort::{Cursor, Sort},
};
use crate::products::Product;

/// A page with variants ends after the product with the variant of this number: with up to 250 long ones for each of 100 products it
/// would be too large, and take too long.
const MAX_VARIANTS: i64 = 1_000;

/// A product with its sort keys.
#[derive(sqlx::FromRow)]
pub(super) struct ListedProduct {
    #[sqlx(flatten)]
    pub(super) product: Product,
    name_key: String,
    score: i64,
    /// Whether another product matches after this one, if products are read with their variants.
    pub(super) is_followed: bool,
}

impl ListedProduct {
    /// Returns the cursor of the page that starts after this product.
    pub(super) fn cursor(&self, sort: Sort) -> Cursor {
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

/// Returns a page of products, and one more product if there is a next page. With variants it ends early, after
/// [`MAX_VARIANTS`]. `trigram_schema` is the quoted schema of pg_trgm.
///
/// A statement that is planned for its values has no name. Behind a pooler it is lost between two transactions, so `begin` begins
/// one for it.
pub(super) async fn page(
    db: &Pool,
    begin: &'static str,
    filter: &Filter,
    trigram_schema: Option<&str>,
) -> sqlx::Result<Vec<ListedProduct>> {
    let mut query = QueryBuilder::new("with ");
    match &filter.words {
        None if filter.has_price_range() => price_range::push_picked(&mut query, filter),
        None => {
            query.push("candidates as (");
            push_candidates(&mut query, filter, |_| {});
            query.push("), picked as (");
            push_first(&mut query, filter, "candidates");
            query.push(")");
        }
        Some(words) => search::push_picked(&mut query, filter, words.as_slice(), trigram_schema),
    }
    let (listed, variants) = if filter.with_variants {
        push_listed(&mut query, filter.sort);
        ("listed", "p.variants, picked.is_followed")
    } else {
        ("picked", "'[]'::json as variants, false as is_followed")
    };
    query.push(format_args!(
        // Not `*`: a prepared statement would fail after a column is added to the view.
        " select p.id, p.name, p.description, p.price_minor, p.currency, p.stock, p.version, p.archived, p.created_at,
                 p.updated_at, p.category_id, p.category_name, p.tags, p.images, p.price_max_minor, p.option_names,
                 p.variant_count, {variants}, picked.name_key, picked.score
         from {listed} picked join catalog.product_view p using (id)
         order by ",
    ));
    query.push(order(filter.sort));
    // A search is planned for its words, without a cached plan: the best plan depends on how rare they are. So is a price range.
    let is_planned_once = filter.words.is_none() && !filter.has_price_range();
    let query = query.build_query_as().persistent(is_planned_once);
    if is_planned_once || !db.is_behind_pooler() {
        return query.fetch_all(db).await;
    }
    let mut transaction = db.begin_with(begin).await?;
    let rows = query.fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Pushes `listed`: the picked products before which there are less than [`MAX_VARIANTS`].
fn push_listed(query: &mut Query, sort: Sort) {
    let order = order(sort);
    query.push(format_args!(
        ", listed as materialized (
             select * from (
                 select picked.*, sum(p.variant_count) over (order by {order}) - p.variant_count as variants_before,
                        lead(picked.id) over (order by {order}) is not null as is_followed
                 from picked join catalog.products p using (id)
             ) numbered
             where variants_before < {MAX_VARIANTS}
         )"
    ));
}

/// Returns the quoted schema of pg_trgm, if the words of names have an index of trigrams and this role may use the extension.
pub(super) async fn trigram_schema(db: impl PgExecutor<'_>) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        r#"select quote_ident(n.nspname) as "schema!"
           from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
           where e.extname = 'pg_trgm'
             and has_schema_privilege(n.oid, 'usage')
             and to_regclass('catalog.name_words_by_trigrams') is not null"#
    )
    .fetch_optional(db)
    .await
}
