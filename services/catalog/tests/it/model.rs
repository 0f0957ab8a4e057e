//! The list as it should be: all products in memory, filtered and sorted the plain way.

use std::cmp::Ordering;

use bodega_catalog::bulk::NewProduct;
use bodega_proto::catalog::v1::{ListProductsRequest, ProductSort, Ref, r#ref};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Few words, so that they meet; too short for typos, and without English stems.
const WORDS: [&str; 7] = ["ab", "abc", "abd", "Kl", "klm", "KLM", "mno"];

/// The names of the categories and tags there are.
pub(crate) const LABELS: [&str; 3] = ["One", "Two", "Three"];

/// A product as the model has it. Categories and tags are positions in [`LABELS`].
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: i32,
    name: String,
    description: String,
    price_minor: i64,
    stock: i32,
    category: Option<usize>,
    tags: Vec<usize>,
    pub(crate) archived: bool,
}

impl Item {
    /// As the catalog takes it, where the labels have these ids.
    pub(crate) fn to_new(&self, categories: &[i32], tags: &[i32]) -> NewProduct {
        NewProduct {
            name: self.name.clone(),
            description: self.description.clone(),
            price_minor: self.price_minor,
            stock: self.stock,
            category_id: self.category.map(|position| categories[position]),
            tag_ids: self.tags.iter().map(|position| tags[*position]).collect(),
            image_url: None,
        }
    }

    fn has_word(&self, word: &str) -> bool {
        let text = format!("{} {}", self.name, self.description).to_lowercase();
        text.split(' ').any(|own| own.starts_with(&word.to_lowercase()))
    }

    fn is_wanted(&self, request: &ListProductsRequest, categories: &[i32], tags: &[i32]) -> bool {
        let in_category = |wanted: &Ref| self.category.is_some_and(|own| is_label(wanted, own, categories));
        let has_tag = |wanted: &Ref| self.tags.iter().any(|own| is_label(wanted, *own, tags));
        !self.archived
            && request.q.split(' ').filter(|word| !word.is_empty()).all(|word| self.has_word(word))
            && (request.categories.is_empty() || request.categories.iter().any(in_category))
            && request.tags.iter().all(has_tag)
            && request.min_price_minor.is_none_or(|min| self.price_minor >= min)
            && request.max_price_minor.is_none_or(|max| self.price_minor <= max)
            && request.in_stock.is_none_or(|in_stock| (self.stock > 0) == in_stock)
            && (request.ids.is_empty() || request.ids.contains(&self.id))
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

fn is_label(wanted: &Ref, own: usize, ids: &[i32]) -> bool {
    match wanted.r#ref.as_ref().unwrap() {
        r#ref::Ref::Id(id) => ids[own] == *id,
        r#ref::Ref::Name(name) => LABELS[own].eq_ignore_ascii_case(name),
    }
}

/// The ids of a whole list, in order.
pub(crate) fn list(
    items: &[Item],
    request: &ListProductsRequest,
    categories: &[i32],
    tags: &[i32],
) -> Vec<i32> {
    let mut wanted: Vec<_> = items.iter().filter(|item| item.is_wanted(request, categories, tags)).collect();
    wanted.sort_by(|one, other| one.compare(other, request.sort()));
    wanted.into_iter().map(|item| item.id).collect()
}

fn words() -> impl Strategy<Value = String> {
    vec(select(&WORDS), 1..4).prop_map(|words| words.join(" "))
}

/// Products with few different prices and names, so that there are ties.
pub(crate) fn items() -> impl Strategy<Value = Vec<Item>> {
    let tags = vec(0..LABELS.len(), 0..3).prop_map(|mut tags| {
        tags.sort_unstable();
        tags.dedup();
        tags
    });
    let category = option::of(0..LABELS.len());
    let item = (words(), words(), 0..4_i64, 0..3_i32, category, tags, prop::bool::weighted(0.1));
    let item = item.prop_map(|(name, description, price_minor, stock, category, tags, archived)| Item {
        id: 0,
        name,
        description,
        price_minor,
        stock,
        category,
        tags,
        archived,
    });
    vec(item, 0..40)
}

/// Requests for lists. The labels have the ids 1 to 3, as in a new shop.
pub(crate) fn request() -> impl Strategy<Value = ListProductsRequest> {
    let q = prop_oneof![2 => Just(String::new()), 1 => words()];
    let price = || option::weighted(0.3, 0..4_i64);
    let refs = || vec(label(), 0..3);
    let ids = prop_oneof![3 => Just(Vec::new()), 1 => vec(1..50_i32, 1..30)];
    let in_stock = option::weighted(0.3, any::<bool>());
    (q, refs(), refs(), (price(), price()), in_stock, ids, 1..=6_i32, 1..=8_i32).prop_map(
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
            }
        },
    )
}

fn label() -> impl Strategy<Value = Ref> {
    let names = select(vec!["one", "TWO", "Three", "none such"]);
    prop_oneof![
        (1..=4_i32).prop_map(r#ref::Ref::Id),
        names.prop_map(|name| r#ref::Ref::Name(name.to_owned())),
    ]
    .prop_map(|label| Ref { r#ref: Some(label) })
}
