//! Generated products, the same ones in every run.

use bodega_catalog::bulk::NewProduct;

const QUALITIES: [&str; 24] = [
    "Amber", "Autumn", "Bright", "Calm", "Classic", "Coastal", "Compact", "Copper", "Crimson", "Everyday",
    "Folding", "Forest", "Golden", "Harbour", "Ivory", "Little", "Midnight", "Modern", "Nordic", "Quiet",
    "Rustic", "Silver", "Sturdy", "Winter",
];
const MATERIALS: [&str; 16] = [
    "Ash", "Bamboo", "Brass", "Canvas", "Ceramic", "Cork", "Cotton", "Felt", "Glass", "Leather", "Linen",
    "Maple", "Oak", "Steel", "Stone", "Wool",
];
const THINGS: [&str; 40] = [
    "Apron",
    "Basket",
    "Bench",
    "Blanket",
    "Board",
    "Bookend",
    "Bottle",
    "Bowl",
    "Box",
    "Brush",
    "Candlestick",
    "Carafe",
    "Case",
    "Chair",
    "Clock",
    "Coaster",
    "Cup",
    "Cushion",
    "Frame",
    "Hanger",
    "Hook",
    "Jar",
    "Kettle",
    "Lamp",
    "Mat",
    "Mirror",
    "Mug",
    "Pan",
    "Planter",
    "Plate",
    "Pouch",
    "Rack",
    "Shelf",
    "Spoon",
    "Stand",
    "Stool",
    "Tray",
    "Trunk",
    "Vase",
    "Wallet",
];
const CATEGORIES: [&str; 6] = ["Bath", "Bedroom", "Garden", "Kitchen", "Living Room", "Study"];

const COMBINATIONS: usize = QUALITIES.len() * MATERIALS.len() * THINGS.len();

/// Coprime to the number of combinations, so that steps of this size visit all of them before repeating one.
const STRIDE: usize = 7919;

/// The categories of generated products.
pub(super) fn categories() -> Vec<String> {
    CATEGORIES.map(str::to_owned).into()
}

/// Generates the product with this number, in one of these categories.
pub(super) fn product(index: usize, categories: &[i32]) -> NewProduct {
    NewProduct {
        name: name(index),
        description: description(index),
        price_minor: price_minor(index),
        stock: stock(index),
        category_id: categories.get(choice(index, categories.len())).copied(),
        ..NewProduct::default()
    }
}

/// Returns a unique name.
fn name(index: usize) -> String {
    let combination = (index % COMBINATIONS * STRIDE) % COMBINATIONS;
    let quality = QUALITIES[combination % QUALITIES.len()];
    let material = MATERIALS[combination / QUALITIES.len() % MATERIALS.len()];
    let thing = THINGS[combination / QUALITIES.len() / MATERIALS.len()];
    match index / COMBINATIONS {
        0 => format!("{quality} {material} {thing}"),
        round => format!("{quality} {material} {thing} No. {}", round + 1),
    }
}

fn description(index: usize) -> String {
    const MADE: [&str; 5] = [
        "Made in small series by a family workshop.",
        "Finished by hand, so that no two are quite alike.",
        "Designed to be repaired rather than replaced.",
        "Plain in the best sense: nothing on it is there for show.",
        "A favourite of our own, at home and in the shop.",
    ];
    const USE: [&str; 4] = [
        "Ships flat, and is ready in a minute.",
        "Ages well, and is best used every day.",
        "A good present for somebody who has everything.",
        "Wipe it with a dry cloth, and it will last.",
    ];
    format!("{} {}", MADE[index % MADE.len()], USE[index / MADE.len() % USE.len()])
}

/// Returns a price in minor units, from 4.99 to 203.99.
fn price_minor(index: usize) -> i64 {
    let step = i64::try_from(hash(index) % 200).unwrap_or_default();
    499 + step * 100
}

/// Returns the stock: 0 for one product in twenty.
fn stock(index: usize) -> i32 {
    match hash(index) / 200 {
        hash if hash % 20 == 0 => 0,
        hash => i32::try_from(hash % 500).unwrap_or_default() + 1,
    }
}

/// Returns an evenly distributed number below `count`.
fn choice(index: usize, count: usize) -> usize {
    usize::try_from(hash(index) >> 33).unwrap_or_default() % count.max(1)
}

/// Hashes a number (SplitMix64).
fn hash(index: usize) -> u64 {
    let mut z = (index as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let count = COMBINATIONS * 2 + 100;
        let names: HashSet<_> = (0..count).map(name).collect();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn products_are_the_same_in_every_run() {
        assert_eq!((name(1).as_str(), price_minor(1), stock(1)), ("Winter Leather Hook", 10499, 279));
    }

    #[test]
    fn products_are_within_the_limits_of_the_catalog() {
        for index in 0..20_000 {
            assert!((499..=20_499).contains(&price_minor(index)));
            assert!((0..=500).contains(&stock(index)));
            assert!(choice(index, 7) < 7);
        }
        assert!((0..1000).any(|index| stock(index) == 0));
    }
}
