//! Finding products by words.

use bodega_proto::catalog::v1::{CreateProductRequest, ListProductsRequest, ProductSort};
use proptest::{prelude::*, test_runner::Config};

use crate::test_catalog::{Shop, product};

async fn shop_of(names: &[&str]) -> Shop {
    let shop = Shop::open().await;
    for name in names {
        shop.create(product(name)).await;
    }
    shop
}

#[tokio::test]
async fn whole_words_come_before_beginnings_and_beginnings_before_typos() {
    let shop = shop_of(&["Lammp stand", "Lampshade", "Desk lamp", "Mountain bike"]).await;
    assert_eq!(shop.search("lamp").await, ["Desk lamp", "Lampshade", "Lammp stand"]);
    assert_eq!(shop.search("LAMP").await.len(), 3);
}

#[tokio::test]
async fn a_word_is_found_by_its_stem_and_its_beginning() {
    let shop = shop_of(&["Running shoes", "Runway model"]).await;
    assert_eq!(shop.search("run").await, ["Running shoes", "Runway model"]);
    assert_eq!(shop.search("shoe").await, ["Running shoes"]);
    assert_eq!(shop.search("runni").await, ["Running shoes"]);
    assert_eq!(shop.search("shoes runs").await, ["Running shoes"]);
}

#[tokio::test]
async fn every_word_has_to_match_in_the_name_or_the_description() {
    let shop = Shop::open().await;
    let described =
        |description: &str| CreateProductRequest { description: description.to_owned(), ..product("Mug") };
    shop.create(described("blue enamel")).await;
    let red = shop.create(described("red enamel")).await.id;
    let find = |q: &str| ListProductsRequest { q: q.to_owned(), ..Default::default() };
    assert_eq!(shop.list(find("enamel red mug")).await, [red]);
    assert_eq!(shop.list(find("enamel")).await.len(), 2);
    assert!(shop.list(find("red tin")).await.is_empty());
}

#[tokio::test]
async fn a_name_counts_more_than_a_description() {
    let shop = Shop::open().await;
    shop.create(product("Teapot")).await;
    let described =
        CreateProductRequest { description: "goes with every teapot".to_owned(), ..product("Cup") };
    shop.create(described).await;
    assert_eq!(shop.search("teapot").await, ["Teapot", "Cup"]);
}

#[tokio::test]
async fn small_typos_in_names_are_forgiven() {
    let names = ["Mechanical keyboard", "Coffee grinder", "Wireless mouse", "Zip hoodie", "Rain jacket"];
    let shop = shop_of(&names).await;
    for (q, name) in [
        ("keybord", "Mechanical keyboard"),
        ("cofee grinder", "Coffee grinder"),
        ("wirelss mouse", "Wireless mouse"),
        ("hopdie", "Zip hoodie"),
        ("jackett", "Rain jacket"),
    ] {
        assert_eq!(shop.search(q).await, [name], "{q}");
    }
    assert!(shop.search("mountain").await.is_empty());
    // Too short to tell a typo from another word.
    assert!(shop.search("zap").await.is_empty());
}

#[tokio::test]
async fn typos_stand_between_what_was_meant_in_no_order() {
    let shop = shop_of(&["Lammp stand", "Lampshade", "Desk lamp", "Mug", "Lamp oil"]).await;
    let find = async |q: &str, sort: ProductSort| {
        let request =
            ListProductsRequest { q: q.to_owned(), sort: sort.into(), limit: 1, ..Default::default() };
        shop.list(request).await
    };
    assert_eq!(find("lamp", ProductSort::Relevance).await, [5, 3, 2, 1]);
    assert_eq!(find("lamp", ProductSort::Oldest).await, [2, 3, 5]);
    // Nothing else was found.
    assert_eq!(find("lampp", ProductSort::Oldest).await, [3, 5]);
    assert_eq!(find("lampp", ProductSort::NameDesc).await, [5, 3]);
}

#[tokio::test]
async fn punctuation_is_a_gap_between_words() {
    let shop = shop_of(&["USB-C/HDMI adapter", "Café au_lait", "3.5mm jack"]).await;
    for (q, name) in [
        ("hdmi", "USB-C/HDMI adapter"),
        ("usb-c", "USB-C/HDMI adapter"),
        ("CAFÉ", "Café au_lait"),
        ("cafe\u{301}", "Café au_lait"),
        ("lait", "Café au_lait"),
        ("3.5mm", "3.5mm jack"),
        ("'jack'", "3.5mm jack"),
    ] {
        assert_eq!(shop.search(q).await, [name], "{q}");
    }
}

#[tokio::test]
async fn a_query_without_a_word_finds_nothing_and_one_of_space_is_none() {
    let shop = shop_of(&["Mug"]).await;
    for q in ["!?", "☕", "& | ! : * ( ) '", "\0"] {
        assert!(shop.search(q).await.is_empty(), "{q}");
    }
    assert_eq!(shop.search("   ").await, ["Mug"]);
}

proptest! {
    #![proptest_config(Config { cases: 4, max_shrink_iters: 20, failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_is_asked_for_is_answered(
        texts in prop::collection::vec(prop_oneof!["\\PC{0,200}", "[a-z'&|!:*()<>\\\\ -]{0,200}", any::<String>()], 60),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let shop = shop_of(&["Mug", "Desk lamp"]).await;
            for text in texts {
                shop.search(&text.chars().take(200).collect::<String>()).await;
            }
        });
    }
}
