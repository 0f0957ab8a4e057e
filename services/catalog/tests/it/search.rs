//! Searching products by words.

use bodega_proto::catalog::v1::{CreateProductRequest, ListProductsRequest, ProductSort};
use proptest::{prelude::*, test_runner::Config};

use crate::{
    test_app::{TestApp, product},
    variants::{request, three_sizes, variant},
};

async fn app_with(names: &[&str]) -> TestApp {
    let app = TestApp::start().await;
    for name in names {
        app.create(product(name)).await;
    }
    app
}

#[tokio::test]
async fn ranks_words_before_prefixes_before_typos() {
    let app = app_with(&["Lammp stand", "Lampshade", "Desk lamp", "Mountain bike"]).await;
    assert_eq!(app.search("lamp").await, ["Desk lamp", "Lampshade", "Lammp stand"]);
    assert_eq!(app.search("LAMP").await.len(), 3);
}

#[tokio::test]
async fn finds_words_by_stem_and_prefix() {
    let app = app_with(&["Running shoes", "Runway model"]).await;
    assert_eq!(app.search("run").await, ["Running shoes", "Runway model"]);
    assert_eq!(app.search("shoe").await, ["Running shoes"]);
    assert_eq!(app.search("runni").await, ["Running shoes"]);
    assert_eq!(app.search("shoes runs").await, ["Running shoes"]);
}

#[tokio::test]
async fn requires_every_word_to_match() {
    let app = TestApp::start().await;
    let described =
        |description: &str| CreateProductRequest { description: description.to_owned(), ..product("Mug") };
    app.create(described("blue enamel")).await;
    let red = app.create(described("red enamel")).await.id;
    let find = |q: &str| ListProductsRequest { q: q.to_owned(), ..Default::default() };
    assert_eq!(app.list(find("enamel red mug")).await, [red]);
    assert_eq!(app.list(find("enamel")).await.len(), 2);
    assert!(app.list(find("red tin")).await.is_empty());
}

#[tokio::test]
async fn ranks_names_before_descriptions() {
    let app = TestApp::start().await;
    app.create(product("Teapot")).await;
    let described =
        CreateProductRequest { description: "goes with every teapot".to_owned(), ..product("Cup") };
    app.create(described).await;
    assert_eq!(app.search("teapot").await, ["Teapot", "Cup"]);
}

#[tokio::test]
async fn tolerates_small_typos_in_names() {
    let names = ["Mechanical keyboard", "Coffee grinder", "Wireless mouse", "Zip hoodie", "Rain jacket"];
    let app = app_with(&names).await;
    for (q, name) in [
        ("keybord", "Mechanical keyboard"),
        ("cofee grinder", "Coffee grinder"),
        ("wirelss mouse", "Wireless mouse"),
        ("hopdie", "Zip hoodie"),
        ("jackett", "Rain jacket"),
    ] {
        assert_eq!(app.search(q).await, [name], "{q}");
    }
    assert!(app.search("mountain").await.is_empty());
    // Too short for a typo.
    assert!(app.search("zap").await.is_empty());
}

#[tokio::test]
async fn returns_fuzzy_matches_last_and_in_other_orders_only_without_exact_matches() {
    let app = app_with(&["Lammp stand", "Lampshade", "Desk lamp", "Mug", "Lamp oil"]).await;
    let find = async |q: &str, sort: ProductSort| {
        let request =
            ListProductsRequest { q: q.to_owned(), sort: sort.into(), limit: 1, ..Default::default() };
        app.list(request).await
    };
    assert_eq!(find("lamp", ProductSort::Relevance).await, [5, 3, 2, 1]);
    assert_eq!(find("lamp", ProductSort::Oldest).await, [2, 3, 5]);
    // There is no exact match.
    assert_eq!(find("lampp", ProductSort::Oldest).await, [3, 5]);
    assert_eq!(find("lampp", ProductSort::NameDesc).await, [5, 3]);
}

#[tokio::test]
async fn punctuation_separates_words() {
    let app = app_with(&["USB-C/HDMI adapter", "Café au_lait", "3.5mm jack"]).await;
    for (q, name) in [
        ("hdmi", "USB-C/HDMI adapter"),
        ("usb-c", "USB-C/HDMI adapter"),
        ("CAFÉ", "Café au_lait"),
        ("cafe\u{301}", "Café au_lait"),
        ("lait", "Café au_lait"),
        ("3.5mm", "3.5mm jack"),
        ("'jack'", "3.5mm jack"),
    ] {
        assert_eq!(app.search(q).await, [name], "{q}");
    }
}

#[tokio::test]
async fn a_query_without_words_finds_nothing_and_a_blank_one_everything() {
    let app = app_with(&["Mug"]).await;
    for q in ["!?", "☕", "& | ! : * ( ) '", "\0"] {
        assert!(app.search(q).await.is_empty(), "{q}");
    }
    assert_eq!(app.search("   ").await, ["Mug"]);
}

proptest! {
    #![proptest_config(Config { cases: 4, max_shrink_iters: 20, failure_persistence: None, ..Config::default() })]

    #[test]
    fn accepts_any_text_as_a_query(
        texts in prop::collection::vec(prop_oneof!["\\PC{0,200}", "[a-z'&|!:*()<>\\\\ -]{0,200}", any::<String>()], 60),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let app = app_with(&["Mug", "Desk lamp"]).await;
            for text in texts {
                app.search(&text.chars().take(200).collect::<String>()).await;
            }
        });
    }
}

#[tokio::test]
async fn finds_the_product_of_a_sku_first() {
    let app = app_with(&["SHIRT-M is a name", "Shirts-mx"]).await;
    let [small, ..] = three_sizes(&app).await;
    let sizes =
        [variant("SHIRT-S", "S", 100, 5), variant("Shirt-M", "M", 110, 6), variant("7/A", "L", 120, 7)];
    app.put_variants(request(small, &sizes)).await.unwrap();
    assert_eq!(app.search(" shirt-m ").await, ["Mug", "SHIRT-M is a name", "Shirts-mx"]);
    assert_eq!(app.search("7/a").await, ["Mug"]);
    // Not a part of a SKU.
    assert!(!app.search("shirt").await.contains(&"Mug".to_owned()));

    let find = |sort: ProductSort, max_price_minor| ListProductsRequest {
        q: "shirt-m".to_owned(),
        sort: sort.into(),
        max_price_minor,
        limit: 2,
        ..Default::default()
    };
    for sort in [ProductSort::Relevance, ProductSort::Newest, ProductSort::PriceAsc, ProductSort::NameAsc] {
        let found = app.list(find(sort, None)).await;
        assert_eq!(found.iter().filter(|id| **id == small).count(), 1, "{sort:?} {found:?}");
        assert!(!app.list(find(sort, Some(99))).await.contains(&small), "{sort:?}");
    }
    // A word that no product has.
    let by_sku = |sort: ProductSort| ListProductsRequest {
        q: "7/A".to_owned(),
        sort: sort.into(),
        ..Default::default()
    };
    assert_eq!(app.list(by_sku(ProductSort::PriceDesc)).await, [small]);

    app.put_variants(request(small, &sizes[..1])).await.unwrap();
    assert!(app.search("7/a").await.is_empty(), "the variant is archived");
    app.archive(small).await;
    assert!(!app.search("shirt-s").await.contains(&"Mug".to_owned()));
}
