//! Lists and searches of a large catalog, with few connections.

use std::collections::BTreeSet;

use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{
    Settings,
    load::{measure, random},
};
use crate::{
    outcome::{LoadResult, Outcome},
    target::Target,
    wrk::{self, Load},
};

const CONNECTIONS: usize = 8;
/// Requests of each kind. They differ, so that most of them are not in a cache.
const REQUESTS: usize = 400;
/// Pages of 100 products from which words are taken.
const SAMPLE_PAGES: usize = 20;
const MIN_WORD: usize = 3;

/// A kind of request, and how to choose the parameters of one.
type Kind = (&'static str, fn(&Sample, &mut StdRng) -> String);

const KINDS: [Kind; 11] = [
    ("first page", |_, _| String::new()),
    ("by price", |_, random| format!("&sort={}", ["price", "-price"][random.random_range(0..2)])),
    ("category", |sample, random| format!("&category={}", choose(&sample.categories, random))),
    ("category and price", |sample, random| {
        format!("&category={}&minPrice={}", choose(&sample.categories, random), random.random_range(5..200))
    }),
    ("out of stock", |_, _| "&inStock=false".to_owned()),
    ("narrow price range, newest first", |_, random| {
        let cents = random.random_range(499..20_400);
        format!("&minPrice={}&maxPrice={}", amount(cents), amount(cents + random.random_range(0..50)))
    }),
    ("search of a common word", |sample, random| format!("&q={}", choose(&sample.words, random))),
    ("search of a prefix", |sample, random| format!("&q={}", prefix(choose(&sample.words, random), random))),
    ("search of a word with a typo", |sample, random| {
        format!("&q={}", typo(choose(&sample.words, random), random))
    }),
    ("search of two words", |sample, random| {
        format!("&q={}%20{}", choose(&sample.words, random), choose(&sample.words, random))
    }),
    ("search without match", |_, random| format!("&q=zq{:x}x", random.random::<u64>())),
];

/// What the products contain.
struct Sample {
    /// Words in names and descriptions.
    words: Vec<String>,
    /// Ids of categories.
    categories: Vec<String>,
}

pub(super) async fn search(target: &mut Target, settings: Settings) -> anyhow::Result<Vec<Outcome>> {
    let settings = Settings { connections: CONNECTIONS, ..settings };
    let sample = sample(target).await?;
    let mut outcomes = Vec::new();
    for kind in KINDS {
        let load = requests(target, &sample, &[kind]);
        outcomes.extend(measure(target, &format!("list: {}", kind.0), &load, settings).await?);
    }
    let reads = product_reads(target);
    outcomes.extend(measure(target, "product by id, without searches", &reads, settings).await?);

    let flood = requests(target, &sample, &KINDS[5..]);
    let address = target.api.address.clone();
    let (measured, beside) = tokio::join!(
        measure(target, "product by id, during searches", &reads, settings),
        wrk::run(&address, &flood, CONNECTIONS, settings.with_margin()),
    );
    let mut measured = measured?;
    // The CPU time of the searches is included.
    measured.iter_mut().for_each(Outcome::remove_costs);
    outcomes.extend(measured);
    outcomes.push(LoadResult::of("searches during product by id", CONNECTIONS, beside?).into());
    if let Some(memory) = target.resident_memory() {
        outcomes.push(Outcome::value("memory after lists and searches", memory as f64 / 1_048_576.0, "MiB"));
    }
    Ok(outcomes)
}

/// Prepares requests of these kinds for each connection.
fn requests(target: &Target, sample: &Sample, kinds: &[Kind]) -> Load {
    let mut random = random();
    let mut request = |index: usize| {
        let (_, parameters) = kinds[index % kinds.len()];
        // Different page sizes make more different requests.
        let limit = random.random_range(15..25);
        target.api.get(&format!("/api/products?limit={limit}{}", parameters(sample, &mut random)))
    };
    let each = REQUESTS / CONNECTIONS;
    let connections = (0..CONNECTIONS).map(|_| (0..each).map(&mut request).collect()).collect();
    Load::Flows { connections, steps: 1, rate: None }
}

fn product_reads(target: &Target) -> Load {
    let mut random = random();
    let mut request = |_| target.api.get_product(*target.products().choose(&mut random).unwrap_or(&1));
    let connections = (0..CONNECTIONS).map(|_| (0..1000).map(&mut request).collect()).collect();
    Load::Flows { connections, steps: 1, rate: None }
}

async fn sample(target: &Target) -> anyhow::Result<Sample> {
    let mut words = BTreeSet::new();
    let mut path = "/api/products?limit=100".to_owned();
    for _ in 0..SAMPLE_PAGES {
        let page = target.api.read(&path).await?;
        for item in page["items"].as_array().into_iter().flatten() {
            for field in ["name", "description"] {
                let text = item[field].as_str().unwrap_or_default();
                let found = text.split(|letter: char| !letter.is_ascii_alphabetic());
                words.extend(found.filter(|word| word.len() > MIN_WORD).map(str::to_lowercase));
            }
        }
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/products?limit=100&cursor={cursor}"),
            None => break,
        }
    }
    let categories = target.api.read("/api/categories").await?;
    let categories = categories["items"].as_array().or(categories.as_array()).cloned().unwrap_or_default();
    let categories = categories.iter().map(|category| category["id"].to_string()).collect();
    Ok(Sample { words: words.into_iter().collect(), categories })
}

/// Returns one of these, or 1 if there are none.
fn choose<'a>(from: &'a [String], random: &mut StdRng) -> &'a str {
    from.choose(random).map_or("1", String::as_str)
}

/// Returns the first three or more letters, but not the whole word.
fn prefix<'a>(word: &'a str, random: &mut StdRng) -> &'a str {
    &word[..random.random_range(MIN_WORD..word.len().max(MIN_WORD + 1))]
}

/// Exchanges two letters.
fn typo(word: &str, random: &mut StdRng) -> String {
    let mut letters: Vec<_> = word.chars().collect();
    let at = random.random_range(1..letters.len().max(3) - 1);
    letters.swap(at - 1, at);
    letters.into_iter().collect()
}

/// Formats cents.
fn amount(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_shorter_than_their_words_and_typos_are_not() {
        let mut random = random();
        for _ in 0..100 {
            let short = prefix("kettle", &mut random);
            assert!("kettle".starts_with(short) && (3..6).contains(&short.len()), "{short}");
            assert_eq!(typo("kettle", &mut random).len(), 6);
            assert_eq!(prefix("wool", &mut random), "woo");
        }
    }

    #[test]
    fn amounts_have_two_decimals() {
        assert_eq!((amount(499), amount(20_005)), ("4.99".to_owned(), "200.05".to_owned()));
    }
}
