//! Search by words.
//!
//! A product is an exact match (`exact`) if it has every word, by itself, by its stem, or as the prefix of a longer word.
//! It is a fuzzy match (`fuzzy`) if its name has similar words in place of some of them. Scores are integers, so that
//! cursors are exact: from 2,000,000 if no prefix is needed, from 1,000,000 for the other exact matches, less for fuzzy
//! matches. If the order is not relevance, fuzzy matches are returned only if there is no exact match.
//!
//! Both sets are materialized before they are sorted. The planner cannot estimate how many rows match: without the
//! barrier it may scan all products in sort order.

use super::candidates::{Query, order, push_candidates, push_first};
use crate::listing::{filter::Filter, sort::Sort, words::Words};

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
    let by_relevance = filter.sort == Sort::Relevance;
    query.push("all_exact as materialized (");
    push_candidates(
        query,
        filter,
        |query| {
            if by_relevance {
                push_exact_score(query, words);
            }
        },
        |query| push_exact_match(query.push(" and "), words, true),
    );
    query.push("), exact as (");
    push_first(query, filter, "all_exact");
    query.push(")");

    let fuzzy_words: Vec<_> = words.iter().filter(|word| Words::may_have_typos(word)).collect();
    let Some(trigram_schema) = trigram_schema.filter(|_| !fuzzy_words.is_empty()) else {
        query.push(", picked as (select * from exact)");
        return;
    };
    query.push(", all_fuzzy as materialized (");
    push_candidates(
        query,
        filter,
        |query| {
            if by_relevance {
                push_fuzzy_score(query, &fuzzy_words, trigram_schema);
            }
        },
        |query| {
            if by_relevance {
                // Not needed if the exact matches fill the page.
                query.push(" and (select count(*) from exact) <= ").push(filter.limit);
            } else {
                query.push(" and not exists (select from all_exact)");
            }
            push_fuzzy_match(query, words, trigram_schema);
        },
    );
    query.push("), fuzzy as (");
    push_first(query, filter, "all_fuzzy");
    query.push(
        "), picked as (select * from (select * from exact union all select * from fuzzy) picked order by ",
    );
    query.push(order(filter.sort)).push(" limit ").push(filter.limit + 1).push(")");
}

/// Pushes the condition that `p` has every word: by itself, by its stem or, with `as_prefixes`, as a prefix.
fn push_exact_match(query: &mut Query, words: &[String], as_prefixes: bool) {
    query.push("p.search_vector @@ ");
    push_tsquery(query, words, as_prefixes);
}

fn push_tsquery(query: &mut Query, words: &[String], as_prefixes: bool) {
    query.push("catalog.words_to_tsquery(").push_bind(words.to_vec()).push(", ").push(as_prefixes).push(")");
}

fn push_exact_score(query: &mut Query, words: &[String]) {
    query.push(" + case when ");
    push_exact_match(query, words, false);
    query.push(" then 2000000 else 1000000 end + (999999 * ts_rank(p.search_vector, ");
    push_tsquery(query, words, true);
    query.push("))::bigint");
}

/// Pushes the condition that `p` is no exact match, but has every word if similar words in its name count.
fn push_fuzzy_match(query: &mut Query, words: &[String], trigram_schema: &str) {
    push_exact_match(query.push(" and not "), words, true);
    for word in words {
        push_exact_match(query.push(" and ("), std::slice::from_ref(word), true);
        if Words::may_have_typos(word) {
            // The operator reads its threshold from a setting. Its operand is an expression that sets it for the rest of
            // the transaction, which is this statement, so it is set before the operator runs.
            query
                .push(format_args!(
                    " or p.name operator({trigram_schema}.%>>) (
                         select case when set_config(
                             'pg_trgm.strict_word_similarity_threshold', '{MIN_SIMILARITY}', true
                         ) is not null then "
                ))
                .push_bind(word.clone())
                .push("::text end)");
        }
        query.push(")");
    }
}

/// Pushes the average similarity of the words to those of the name.
fn push_fuzzy_score(query: &mut Query, words: &[&String], trigram_schema: &str) {
    query.push(" + (999999 * (0");
    for word in words {
        query.push(format_args!(" + {trigram_schema}.strict_word_similarity(")).push_bind((*word).clone());
        query.push(", p.name)");
    }
    query.push(format_args!(") / {})::bigint", words.len()));
}
