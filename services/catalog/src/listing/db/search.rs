//! Searches: what a list with a query picks.
//!
//! There are two ways to be picked. What is `found` has every word, as it is, as the beginning of a longer one, or by
//! its stem. What is `guessed` has some of them misspelt in its name. Scores are integers, so that a cursor is exact:
//! 2,000,000 and up for what has every word as it is or by its stem, 1,000,000 and up for the rest of what is found,
//! less for what is guessed. In another order than that of relevance one guesses only where nothing is found.
//!
//! Both are materialized before they are sorted. The planner cannot tell how many there are: left to itself it would
//! walk through all products in their order, waiting for a match that never comes.

use super::{Query, order, push_candidates, push_first};
use crate::listing::{Filter, Sort, Words};

/// How alike a word and one of a name have to be, by their trigrams: `keybord` and `keyboard` are 0.55,
/// `hopdie` and `hoodie` 0.4, `mouse` and `mountain` 0.25.
const TYPO_THRESHOLD: &str = "0.4";

/// Pushes the common table expressions up to `picked`. `trigrams` is the schema of pg_trgm, quoted.
pub(super) fn push_picked(query: &mut Query, filter: &Filter, words: &[String], trigrams: Option<&str>) {
    let by_relevance = filter.sort == Sort::Relevance;
    query.push("matching as materialized (");
    push_candidates(
        query,
        filter,
        |query| {
            if by_relevance {
                push_found_score(query, words);
            }
        },
        |query| push_match(query.push(" and "), words, true),
    );
    query.push("), found as (");
    push_first(query, filter, "matching");
    query.push(")");

    let misspelt: Vec<_> = words.iter().filter(|word| Words::may_have_typos(word)).collect();
    let Some(trigrams) = trigrams.filter(|_| !misspelt.is_empty()) else {
        query.push(", picked as (select * from found)");
        return;
    };
    query.push(", alike as materialized (");
    push_candidates(
        query,
        filter,
        |query| {
            if by_relevance {
                push_guessed_score(query, &misspelt, trigrams);
            }
        },
        |query| {
            if by_relevance {
                // Nobody guesses while what was found fills the page.
                query.push(" and (select count(*) from found) <= ").push(filter.limit);
            } else {
                // Here guesses would stand between what was meant.
                query.push(" and not exists (select from matching)");
            }
            push_guess(query, words, trigrams);
        },
    );
    query.push("), guessed as (");
    push_first(query, filter, "alike");
    query.push(
        "), picked as (select * from (select * from found union all select * from guessed) picked order by ",
    );
    query.push(order(filter.sort)).push(" limit ").push(filter.limit + 1).push(")");
}

/// Pushes that `p` has every word: as it is, or by its stem, or as a beginning.
fn push_match(query: &mut Query, words: &[String], as_prefixes: bool) {
    query.push("p.search_vector @@ ");
    push_tsquery(query, words, as_prefixes);
}

fn push_tsquery(query: &mut Query, words: &[String], as_prefixes: bool) {
    query.push("catalog.words_to_tsquery(").push_bind(words.to_vec()).push(", ").push(as_prefixes).push(")");
}

fn push_found_score(query: &mut Query, words: &[String]) {
    query.push(" + case when ");
    push_match(query, words, false);
    query.push(" then 2000000 else 1000000 end + (999999 * ts_rank(p.search_vector, ");
    push_tsquery(query, words, true);
    query.push("))::bigint");
}

/// Pushes that `p` lacks a word, but for typos in its name.
fn push_guess(query: &mut Query, words: &[String], trigrams: &str) {
    push_match(query.push(" and not "), words, true);
    for word in words {
        push_match(query.push(" and ("), std::slice::from_ref(word), true);
        if Words::may_have_typos(word) {
            // The threshold is a setting of the session. It is set to the end of this statement, and before the
            // operator can run: that needs the word, which comes out of here.
            query
                .push(format_args!(
                    " or p.name operator({trigrams}.%>>) (
                         select case when set_config(
                             'pg_trgm.strict_word_similarity_threshold', '{TYPO_THRESHOLD}', true
                         ) is not null then "
                ))
                .push_bind(word.clone())
                .push("::text end)");
        }
        query.push(")");
    }
}

/// Pushes how alike the words are to those of the name, on average.
fn push_guessed_score(query: &mut Query, words: &[&String], trigrams: &str) {
    query.push(" + (999999 * (0");
    for word in words {
        query.push(format_args!(" + {trigrams}.strict_word_similarity(")).push_bind((*word).clone());
        query.push(", p.name)");
    }
    query.push(format_args!(") / {})::bigint", words.len()));
}
