//! A model of product lists: products in memory, filtered and sorted directly.

mod strategy;
mod words;

use std::{cmp::Ordering, collections::BTreeMap};

use bodega_catalog::bulk::NewProduct;
use bodega_proto::catalog::v1::{IdOrName, ListProductsRequest, ProductSort, id_or_name};
use proptest::prelude::*;

pub(crate) use self::strategy::{items, request};
use self::words::{has_word, is_similar, may_have_typos, words};

/// The names of all categories and tags: more than the tags that a list joins.
pub(crate) const NAMES: [&str; 6] = ["One", "Two", "Three", "Élan", "Five five", "Six"];

/// A product of the model. Categories and tags are indexes of [`NAMES`].
#[derive(Clone, Debug)]
pub(crate) struct Item {
    id: i32,
    name: String,
    description: String,
    price_minor: i64,
    stock: i32,
    category: Option<usize>,
    tags: Vec<usize>,
    archived: bool,
}

/// How an item matches a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// May match by similar words.
    PossibleFuzzy,
    /// Has every word or, in its name, a similar one.
    CertainFuzzy,
    /// Has every word, some only as prefixes.
    Prefixes,
    /// Has every word, or one with the same stem.
    Words,
}

impl Item {
    /// Converts the item, with the ids of the categories and tags.
    fn to_new(&self, categories: &[i32], tags: &[i32]) -> NewProduct {
        NewProduct {
            name: self.name.clone(),
            description: self.description.clone(),
            price_minor: self.price_minor,
            stock: self.stock,
            category_id: self.category.map(|position| categories[position]),
            tag_ids: self.tags.iter().map(|position| tags[*position]).collect(),
            ..NewProduct::default()
        }
    }

    /// Returns how it matches these words; every item matches an empty list.
    fn matches(&self, wanted: &[String]) -> Option<Match> {
        let text = words(&format!("{} {}", self.name, self.description));
        if wanted.iter().all(|word| has_word(&text, word, false)) {
            Some(Match::Words)
        } else if wanted.iter().all(|word| has_word(&text, word, true)) {
            Some(Match::Prefixes)
        } else {
            let is_found = |word: &String| has_word(&text, word, true);
            let name = words(&self.name);
            if wanted.iter().all(|word| is_found(word) || is_similar(&name, word)) {
                Some(Match::CertainFuzzy)
            } else {
                wanted
                    .iter()
                    .all(|word| is_found(word) || may_have_typos(word))
                    .then_some(Match::PossibleFuzzy)
            }
        }
    }

    fn compare(&self, other: &Self, sort: ProductSort) -> Ordering {
        let by_id = self.id.cmp(&other.id);
        let by_price = self.price_minor.cmp(&other.price_minor).then(by_id);
        let by_name = self.name.to_lowercase().cmp(&other.name.to_lowercase()).then(by_id);
        match sort {
            ProductSort::Unspecified | ProductSort::Newest | ProductSort::Relevance => by_id.reverse(),
            ProductSort::Oldest => by_id,
            ProductSort::PriceAsc => by_price,
            ProductSort::PriceDesc => by_price.reverse(),
            ProductSort::NameAsc => by_name,
            ProductSort::NameDesc => by_name.reverse(),
        }
    }
}

/// All products of a catalog.
#[derive(Debug)]
pub(crate) struct Model {
    items: BTreeMap<i32, Item>,
    categories: Vec<i32>,
    tags: Vec<i32>,
}

impl Model {
    /// Converts the items, with the ids of the categories and tags.
    pub(crate) fn to_new(items: &[Item], categories: &[i32], tags: &[i32]) -> Vec<NewProduct> {
        items.iter().map(|item| item.to_new(categories, tags)).collect()
    }

    /// Creates a model of items that were inserted with these ids.
    pub(crate) fn new(items: Vec<Item>, ids: Vec<i32>, categories: Vec<i32>, tags: Vec<i32>) -> Self {
        let items = items.into_iter().zip(ids).map(|(item, id)| (id, Item { id, ..item }));
        Self { items: items.collect(), categories, tags }
    }

    /// Returns the ids of the archived products.
    pub(crate) fn archived(&self) -> impl Iterator<Item = i32> {
        self.items.values().filter(|item| item.archived).map(|item| item.id)
    }

    /// Checks that `listed` has the products that match the request, in its order.
    pub(crate) fn check(&self, request: &ListProductsRequest, listed: &[i32]) -> Result<(), TestCaseError> {
        let wanted = words(&request.q);
        let is_blank = request.q.trim().is_empty();
        let filtered = self.items.values().filter(|item| self.passes(item, request));
        let mut found: Vec<_> = filtered
            .filter(|_| is_blank || !wanted.is_empty())
            .filter(|item| item.matches(&wanted) > Some(Match::CertainFuzzy))
            .collect();
        found.sort_by(|one, other| one.compare(other, request.sort()));
        let found: Vec<_> = found.into_iter().map(|item| item.id).collect();

        let by_relevance = matches!(request.sort(), ProductSort::Unspecified | ProductSort::Relevance);
        if by_relevance && !is_blank {
            self.check_relevance(request, listed, &found)
        } else if found.is_empty() {
            self.check_fuzzy(request, listed)?;
            let in_order = listed.is_sorted_by(|one, other| {
                self.items[one].compare(&self.items[other], request.sort()) == Ordering::Less
            });
            prop_assert!(in_order, "fuzzy matches are out of order");
            Ok(())
        } else {
            prop_assert_eq!(listed, found);
            Ok(())
        }
    }

    /// Checks the known rules of relevance: first the product whose name is the query, then names with every word, names with
    /// prefixes, products with every word, with prefixes, and fuzzy matches; of products with the same text the newest comes
    /// first.
    fn check_relevance(
        &self,
        request: &ListProductsRequest,
        listed: &[i32],
        found: &[i32],
    ) -> Result<(), TestCaseError> {
        prop_assert!(listed.len() >= found.len(), "some of {found:?} are missing");
        let (first, fuzzy) = listed.split_at(found.len());
        let mut sorted = first.to_vec();
        sorted.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
        prop_assert_eq!(sorted, found);
        self.check_fuzzy(request, fuzzy)?;

        let wanted = words(&request.q);
        let name = request.q.trim().to_lowercase().replace("e\u{301}", "é");
        let matches: Vec<_> = first
            .iter()
            .map(|id| {
                let item = &self.items[id];
                let is_name = item.name.to_lowercase() == name;
                let by_name = Item { description: String::new(), ..item.clone() }.matches(&wanted);
                (is_name, by_name.filter(|found| *found > Match::CertainFuzzy), item.matches(&wanted))
            })
            .collect();
        prop_assert!(matches.is_sorted_by(|one, other| one >= other), "{matches:?}");
        let items = || listed.iter().map(|id| &self.items[id]);
        for (position, item) in items().enumerate() {
            let same = |other: &&Item| (&other.name, &other.description) == (&item.name, &item.description);
            let newer = items().skip(position + 1).filter(same).find(|other| other.id > item.id);
            prop_assert!(newer.is_none(), "{newer:?} is newer than {item:?}");
        }
        Ok(())
    }

    /// Checks that these can be fuzzy matches, and that no certain one is missing.
    fn check_fuzzy(&self, request: &ListProductsRequest, fuzzy: &[i32]) -> Result<(), TestCaseError> {
        let wanted = words(&request.q);
        let mut listed = fuzzy.to_vec();
        listed.sort_unstable();
        listed.dedup();
        prop_assert_eq!(listed.len(), fuzzy.len());
        for item in self.items.values() {
            let is_listed = listed.binary_search(&item.id).is_ok();
            match item.matches(&wanted) {
                Some(Match::CertainFuzzy) => {
                    prop_assert_eq!(is_listed, self.passes(item, request), "{:?}", item)
                }
                Some(Match::PossibleFuzzy) => {
                    prop_assert!(!is_listed || self.passes(item, request), "{item:?}")
                }
                _ => prop_assert!(!is_listed, "{item:?} is no fuzzy match"),
            }
        }
        Ok(())
    }

    /// Whether an item passes every filter except the query.
    fn passes(&self, item: &Item, request: &ListProductsRequest) -> bool {
        let in_category =
            |wanted: &IdOrName| item.category.is_some_and(|own| is_referenced(wanted, own, &self.categories));
        let has_tag = |wanted: &IdOrName| item.tags.iter().any(|own| is_referenced(wanted, *own, &self.tags));
        !item.archived
            && (request.categories.is_empty() || request.categories.iter().any(in_category))
            && request.tags.iter().all(has_tag)
            && request.min_price_minor.is_none_or(|min| item.price_minor >= min)
            && request.max_price_minor.is_none_or(|max| item.price_minor <= max)
            && request.in_stock.is_none_or(|in_stock| (item.stock > 0) == in_stock)
            && (request.ids.is_empty() || request.ids.contains(&item.id))
    }
}

fn is_referenced(wanted: &IdOrName, own: usize, ids: &[i32]) -> bool {
    match wanted.value.as_ref().unwrap() {
        id_or_name::Value::Id(id) => ids[own] == *id,
        id_or_name::Value::Name(name) => {
            let name = name.trim().to_lowercase().replace("e\u{301}", "é");
            NAMES[own].to_lowercase() == name
        }
    }
}
