//! Random products and requests that often match.

use std::ops::Range;

use bodega_proto::catalog::v1::{IdOrName, ListProductsRequest, ProductSort, id_or_name};
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

use super::{
    Item, NAMES,
    words::{OTHER_WORDS, WORDS},
};

/// Words with separators.
fn text(
    words: Vec<&'static str>,
    separators: Vec<&'static str>,
    count: Range<usize>,
) -> impl Strategy<Value = String> {
    let words = vec((select(words), select(separators)), count);
    words.prop_map(|words| {
        words.into_iter().flat_map(|(word, separator)| [word, separator]).collect::<String>().trim().into()
    })
}

fn words() -> impl Strategy<Value = String> {
    let separators = || vec![" ", " ", " ", "-", "/", ", ", "_", "."];
    prop_oneof![text(WORDS.to_vec(), vec![" "], 1..2), text(WORDS.to_vec(), separators(), 2..4)]
}

fn query() -> impl Strategy<Value = String> {
    let known = WORDS.into_iter().chain(["AB", "kLM", "RUNNING", "the", "ÉA"]);
    prop_oneof![
        10 => Just(String::new()),
        1 => select(vec!["  ", "?!"]).prop_map(str::to_owned),
        6 => text(known.clone().collect(), vec![" "], 1..2),
        4 => text(known.clone().collect(), vec![" ", "  ", "&", "-"], 2..4),
        4 => text(known.chain(OTHER_WORDS).collect(), vec![" "], 1..3),
        4 => text(vec!["ab", "kl", "run", "mug"], vec![" "], 2..3),
    ]
}

/// Products with few different prices and texts, so that sort keys are often equal.
pub(crate) fn items() -> impl Strategy<Value = Vec<Item>> {
    prop_oneof![1 => 0..4_usize, 5 => 20..60_usize].prop_flat_map(|count| vec(item(), count))
}

fn item() -> impl Strategy<Value = Item> {
    let tags = prop_oneof![
        4 => btree_set(0..NAMES.len(), 0..3).prop_map(|tags| tags.into_iter().collect::<Vec<_>>()),
        1 => Just((0..NAMES.len()).collect()),
        1 => (0..NAMES.len()).prop_map(|missing| (0..NAMES.len()).filter(|tag| *tag != missing).collect()),
    ];
    let category = option::of(0..NAMES.len());
    let description = prop_oneof![Just(String::new()), words()];
    let item = (words(), description, 0..4_i64, 0..3_i32, category, tags, prop::bool::weighted(0.1));
    item.prop_map(|(name, description, price_minor, stock, category, tags, archived)| Item {
        id: 0,
        name,
        description,
        price_minor,
        stock,
        category,
        tags,
        archived,
    })
}

/// List requests with ids as a new catalog generates them.
pub(crate) fn request() -> impl Strategy<Value = ListProductsRequest> {
    let categories = prop_oneof![3 => Just(Vec::new()), 2 => vec(reference(), 1..5)];
    let tags = prop_oneof![
        6 => Just(Vec::new()),
        3 => vec(reference(), 1..3),
        1 => vec(known_reference(), 1..8),
        1 => (vec(known_reference(), 4..7), reference()).prop_map(|(known, last)| [known, vec![last]].concat()),
    ];
    let bound =
        || option::weighted(0.25, prop_oneof![8 => -1..5_i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)]);
    let ids = prop_oneof![4 => Just(Vec::new()), 1 => vec(-1..70_i32, 1..60)];
    let in_stock = option::weighted(0.25, any::<bool>());
    // Relevance is the most complex order.
    let sort = prop_oneof![2 => 0..=7_i32, 1 => Just(ProductSort::Relevance.into())];
    let limit = prop_oneof![4 => 1..=8_i32, 1 => Just(0)];
    (query(), categories, tags, (bound(), bound()), in_stock, ids, sort, limit).prop_map(
        |(q, categories, tags, (low, high), in_stock, ids, sort, limit)| {
            let (min_price_minor, max_price_minor) = match low.zip(high) {
                Some((low, high)) => (Some(low.min(high)), Some(low.max(high))),
                None => (low, high),
            };
            let cursor = String::new();
            ListProductsRequest {
                q,
                categories,
                tags,
                min_price_minor,
                max_price_minor,
                in_stock,
                ids,
                sort,
                limit,
                cursor,
                omit_variants: limit > 4,
            }
        },
    )
}

/// An existing category or tag, by id or name.
fn known_reference() -> impl Strategy<Value = IdOrName> {
    let ids = 1..=i32::try_from(NAMES.len()).unwrap();
    let names = select(vec!["one", "TWO", " Three ", "ÉLAN", "e\u{301}lan", "five FIVE", "six"]);
    prop_oneof![
        ids.prop_map(id_or_name::Value::Id),
        names.prop_map(|name| id_or_name::Value::Name(name.to_owned()))
    ]
    .prop_map(|value| IdOrName { value: Some(value) })
}

/// An existing or unknown category or tag.
fn reference() -> impl Strategy<Value = IdOrName> {
    let unknown = [
        id_or_name::Value::Id(99),
        id_or_name::Value::Id(-1),
        id_or_name::Value::Name("none such".to_owned()),
    ];
    let unknown = select(unknown.to_vec()).prop_map(|value| IdOrName { value: Some(value) });
    prop_oneof![4 => known_reference(), 1 => unknown]
}
