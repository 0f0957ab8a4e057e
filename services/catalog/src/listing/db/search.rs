//! Search by words, with bounded work.
//!
//! A product is an exact match if it has every word, by itself, by its stem, or as the prefix of a longer word. It is a fuzzy
//! match if its name has similar words in place of some of them. The product with a variant whose SKU is the query comes first.
//!
//! - `probe` reads the newest products. If many of them match, the words are *common*, otherwise they are *rare*.
//! - The matches of rare words are few. They are read with the index of words, all of them; for relevance, those that need a
//!   prefix only if the other ones are fewer than [`MAX_RANKED`].
//! - The matches of common words are never read completely. For relevance, only the newest [`MAX_RANKED`] matches are ranked,
//!   and names that begin with the query. For another order, the matches are picked from the products in this order.
//! - Fuzzy matches are searched only if the exact ones do not fill the page, or if there are none and the order is not
//!   relevance.
//!
//! The planner cannot know how many products match. A set that must be read with the index of words is compared with a query that
//! the planner does not see; other sets have a condition that no index supports (`is true`).
//!
//! Scores are integers, so that cursors are exact: a tier, in millions, plus the rank in it.

use super::{
    candidates::{Query, order, push_candidates, push_filter, push_first, push_keys},
    sku::push_by_sku,
};
use crate::listing::{filter::Filter, sort::Sort, words::Words};

/// The newest products, which show whether words are common.
const PROBED: i64 = 20_000;
/// Words are common if at least so many of the newest products match.
const COMMON: i64 = 300;
/// Maximum number of matches that are ranked by relevance.
const MAX_RANKED: i64 = 500;
/// If prefixes are common, but fewer matches than this have the words themselves, those are read with the index.
const FEW_WORDS: i64 = 5;
/// Maximum number of names that begin with a common query, and that are ranked however old they are.
const MAX_NAMES: i64 = 100;
/// Maximum number of fuzzy matches.
const MAX_FUZZY: i64 = 500;
/// Maximum number of words that a word with a typo may stand for.
const MAX_SIMILAR_WORDS: i64 = 5;
/// Minimum trigram similarity of two words: `keybord` and `keyboard` have 0.55, `hopdie` and `hoodie` 0.4, `mouse` and
/// `mountain` 0.25.
const MIN_SIMILARITY: &str = "0.4";

/// Pushes the common table expressions up to `picked`. `trigram_schema` is the quoted schema of pg_trgm.
pub(super) fn push_picked(
    query: &mut Query,
    filter: &Filter,
    words: &[String],
    trigram_schema: Option<&str>,
) {
    push_probe(query, words);
    push_by_sku(query, filter);
    if filter.sort == Sort::Relevance {
        push_ranked(query, filter, words);
    } else {
        push_ordered(query, filter, words);
    }
    let has_fuzzy = trigram_schema.filter(|_| words.iter().any(|word| Words::may_have_typos(word)));
    if let Some(trigram_schema) = has_fuzzy {
        push_fuzzy(query, filter, words, trigram_schema);
    }
    query.push(", picked as (select * from (select * from exact");
    if has_fuzzy.is_some() {
        query.push(" union all select * from fuzzy");
    }
    query
        .push(") picked order by ")
        .push(order(filter.sort))
        .push(" limit ")
        .push(filter.limit + 1)
        .push(")");
}

fn push_probe(query: &mut Query, words: &[String]) {
    query.push(format_args!(
        "probe as materialized (
             select count(*) >= {COMMON} as is_common,
                    count(*) < {COMMON} or count(*) filter (where has_words) < {FEW_WORDS} as words_are_rare
             from (
                 select p.search_vector @@ "
    ));
    push_tsquery(query, words, false);
    query.push(format_args!(
        " as has_words from (
             select search_vector from catalog.products
             where archived_at is null order by id desc limit {PROBED}
         ) p
         where "
    ));
    push_match(query, words);
    query.push(format_args!(" limit {COMMON}) recent)"));
}

/// Pushes `exact`: the best matches.
fn push_ranked(query: &mut Query, filter: &Filter, words: &[String]) {
    let select = |query: &mut Query, name: &str, gate: &str| {
        query.push(format_args!(
            ", {name} as materialized (
                 select p.id from catalog.products p where p.archived_at is null and {gate} and "
        ));
    };
    select(query, "rare_words", "(select words_are_rare from probe)");
    push_indexed_match(query, words, false);
    push_filter(query, filter);
    query.push(")");

    let few_words = format!("(select count(*) from rare_words) < {MAX_RANKED}");
    select(query, "rare", &format!("not (select is_common from probe) and {few_words}"));
    push_indexed_match(query, words, true);
    push_filter(query, filter);
    query.push(")");

    select(query, "common", "(select is_common from probe)");
    push_unindexed_match(query, words);
    push_filter(query, filter);
    query.push(format_args!(" order by p.id desc limit {MAX_RANKED})"));

    select(query, "named", "(select is_common from probe)");
    push_unindexed_match(query, words);
    query.push(" and lower(p.name) collate \"C\" >= ");
    push_lower(query, &filter.text);
    query.push(" and lower(p.name) collate \"C\" < ");
    push_lower(query, &format!("{}{}", filter.text, char::MAX));
    push_filter(query, filter);
    query.push(format_args!(" order by lower(p.name) collate \"C\", p.id limit {MAX_NAMES})"));

    query.push(format_args!(
        ", matching as materialized (
             select id from (select id from rare_words order by id desc limit {MAX_RANKED}) newest_with_words
             union select id from (select id from rare order by id desc limit {MAX_RANKED}) newest
             union select id from common
             union select id from named
             union select id from by_sku
         ), ranked as materialized ("
    ));
    push_keys(
        query,
        |query| push_exact_score(query, words, &filter.text),
        |query| _ = query.push(" and p.id = any(array(select id from matching))"),
    );
    query.push("), exact as (");
    push_first(query, filter, "ranked");
    query.push(")");
}

/// Pushes `exact`: the first matches in an order that is not relevance.
fn push_ordered(query: &mut Query, filter: &Filter, words: &[String]) {
    query.push(", matching as materialized (");
    push_candidates(query, filter, |query| {
        push_indexed_match(query.push(" and not (select is_common from probe) and "), words, true)
    });
    query.push("), common as (");
    push_candidates(query, filter, |query| {
        push_unindexed_match(query.push(" and (select is_common from probe) and "), words)
    });
    query.push("), named_by_sku as (");
    push_keys(query, |_| {}, |query| _ = query.push(" and p.id in (select id from by_sku)"));
    query.push("), exact as (select * from (");
    push_first(query, filter, "matching");
    query.push(") rare union all select * from (");
    push_first(query, filter, "common");
    query.push(") common union select * from (");
    push_first(query, filter, "named_by_sku");
    query.push(") named_by_sku)");
}

/// Pushes `fuzzy`: the first matches of similar words in names.
fn push_fuzzy(query: &mut Query, filter: &Filter, words: &[String], trigram_schema: &str) {
    let may_have_typos: Vec<_> = words.iter().map(|word| Words::may_have_typos(word)).collect();
    // Each word stands for itself anywhere, or for similar words in the name.
    query
        .push(
            ", corrected as materialized (
                 select case when bool_or(similar_words is not null) then string_agg('(' || meanings || ')', ' & ')::tsquery end
                     as query
                 from unnest(",
        )
        .push_bind(words.to_vec())
        .push("::text[], ")
        .push_bind(may_have_typos)
        .push(format_args!(
            "::boolean[]) as searched (word, may_have_typos)
             cross join lateral (
                 select string_agg(quote_literal(similar_word.word) || ':A', ' | ') as similar_words
                 from (
                     select known.word from catalog.name_words known
                     where searched.may_have_typos
                       and known.word operator({trigram_schema}.%) searched.word
                       and {trigram_schema}.similarity(known.word, searched.word) >= {MIN_SIMILARITY}
                       and known.word <> searched.word
                     order by {trigram_schema}.similarity(known.word, searched.word) desc, known.word
                     limit {MAX_SIMILAR_WORDS}
                 ) similar_word
             ) similar_ones
             cross join lateral (
                 select concat_ws(
                     ' | ',
                     nullif(catalog.words_to_tsquery(array[searched.word], true)::text, ''),
                     similar_words
                 ) as meanings
             ) meaning
             where meanings <> ''
         ), similar_names as materialized (
             select p.id from catalog.products p
             where p.archived_at is null and p.search_vector @@ (select query from corrected) and "
        ));
    if filter.sort == Sort::Relevance {
        // Not needed if the exact matches fill the page.
        query.push("(select count(*) from exact) <= ").push(filter.limit);
    } else {
        query.push("not (select is_common from probe) and not exists (select from matching) and not exists (select from by_sku)");
    }
    push_unindexed_match(query.push(" and p.id not in (select id from by_sku) and not "), words);
    push_filter(query, filter);
    query.push(format_args!(" limit {MAX_FUZZY}), all_fuzzy as materialized ("));
    push_keys(
        query,
        |query| {
            if filter.sort == Sort::Relevance {
                push_fuzzy_score(query, words, trigram_schema);
            }
        },
        |query| _ = query.push(" and p.id = any(array(select id from similar_names))"),
    );
    query.push("), fuzzy as (");
    push_first(query, filter, "all_fuzzy");
    query.push(")");
}

/// Pushes the condition that `p` has every word: by itself, by its stem, or as a prefix.
fn push_match(query: &mut Query, words: &[String]) {
    query.push("p.search_vector @@ ");
    push_tsquery(query, words, true);
}

/// Pushes the same condition, in a form for which the index of words is read: the planner does not know the query, so it assumes
/// few matches. The index is read for the longer words only.
fn push_indexed_match(query: &mut Query, words: &[String], as_prefixes: bool) {
    let selective: Vec<_> = words.iter().filter(|word| Words::is_selective(word)).cloned().collect();
    let indexed = if selective.is_empty() { words } else { &*selective };
    query.push("p.search_vector @@ (select ");
    push_tsquery(query, indexed, as_prefixes);
    query.push(")");
    if indexed.len() < words.len() {
        query.push(" and (p.search_vector @@ ");
        push_tsquery(query, words, as_prefixes);
        query.push(") is true");
    }
}

/// Pushes the same condition in a form that no index supports.
fn push_unindexed_match(query: &mut Query, words: &[String]) {
    push_match(query.push("("), words);
    query.push(") is true");
}

/// Pushes a `tsquery` for all words: as they are, or also as prefixes.
fn push_tsquery(query: &mut Query, words: &[String], as_prefixes: bool) {
    query.push("catalog.words_to_tsquery(").push_bind(words.to_vec()).push(", ").push(as_prefixes).push(")");
}

fn push_lower(query: &mut Query, text: &str) {
    query.push("lower(").push_bind(text.to_owned()).push("::text) collate \"C\"");
}

/// The query is the SKU; it is the name; the name has all words; it has them, or longer words; then the same with the description.
fn push_exact_score(query: &mut Query, words: &[String], text: &str) {
    query.push(
        " + case when p.id in (select id from by_sku) then 6000000 when lower(p.name) collate \"C\" = ",
    );
    push_lower(query, text);
    query.push(" then 5000000 when ts_filter(p.search_vector, '{a}') @@ ");
    push_tsquery(query, words, false);
    query.push(" then 4000000 when ts_filter(p.search_vector, '{a}') @@ ");
    push_tsquery(query, words, true);
    query.push(" then 3000000 when p.search_vector @@ ");
    push_tsquery(query, words, false);
    query.push(" then 2000000 else 1000000 end + (999999 * ts_rank(p.search_vector, ");
    push_tsquery(query, words, true);
    query.push("))::bigint");
}

/// Pushes the average similarity of the words to those of the name.
fn push_fuzzy_score(query: &mut Query, words: &[String], trigram_schema: &str) {
    let words: Vec<_> = words.iter().filter(|word| Words::may_have_typos(word)).collect();
    query.push(" + (999999 * (0");
    for word in &words {
        query.push(format_args!(" + {trigram_schema}.strict_word_similarity(")).push_bind((*word).clone());
        query.push(", p.name)");
    }
    query.push(format_args!(") / {})::bigint", words.len()));
}
