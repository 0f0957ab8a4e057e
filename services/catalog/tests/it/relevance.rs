//! A set of queries with the expected order of their results.

use bodega_proto::catalog::v1::CreateProductRequest;

use crate::test_app::{TestApp, product};

/// Names and descriptions.
const PRODUCTS: [(&str, &str); 16] = [
    ("Lamp", "Warm light."),
    ("Lamp oil", "Burns without smoke."),
    ("Brass desk lamp", "With a long arm."),
    ("Lampshade", "Linen."),
    ("Reading chair", "Goes well with a lamp."),
    ("Extension cord", "For lampshades and other small devices."),
    ("Lammp stand", "Misspelled on purpose."),
    ("Running shoes", "Light and fast."),
    ("Runway model", "A toy."),
    ("Treadmill", "To run at home."),
    ("USB-C/HDMI adapter", "Passive."),
    ("HDMI cable", "For every adapter."),
    ("Ceramic mug", "Blue."),
    ("Mug rack", "Holds six ceramic mugs."),
    ("Steel mug", "Not ceramic."),
    ("Walnut board", "For bread."),
];

/// Queries, and the names that they find in this order.
const QUERIES: [(&str, &[&str]); 10] = [
    // The name itself, names with the word, a name with a longer word, descriptions with the word, then with a longer word,
    // and similar names. Of equally good matches the newest comes first.
    (
        "lamp",
        &[
            "Lamp",
            "Brass desk lamp",
            "Lamp oil",
            "Lampshade",
            "Reading chair",
            "Extension cord",
            "Lammp stand",
        ],
    ),
    ("lamp oil", &["Lamp oil"]),
    ("LAMPSHADE", &["Lampshade", "Extension cord"]),
    ("run", &["Running shoes", "Runway model", "Treadmill"]),
    ("runway", &["Runway model"]),
    ("usb-c/hdmi adapter", &["USB-C/HDMI adapter"]),
    ("hdmi adapter", &["USB-C/HDMI adapter", "HDMI cable"]),
    ("ceramic mug", &["Ceramic mug", "Steel mug", "Mug rack"]),
    ("cermic mug", &["Ceramic mug"]),
    ("wallnut", &["Walnut board"]),
];

async fn app() -> TestApp {
    let app = TestApp::start().await;
    for (name, description) in PRODUCTS {
        app.create(CreateProductRequest { description: description.to_owned(), ..product(name) }).await;
    }
    app
}

#[tokio::test]
async fn queries_return_the_expected_order() {
    let app = app().await;
    for (q, names) in QUERIES {
        assert_eq!(app.search(q).await, names, "{q}");
    }
}

#[tokio::test]
async fn exact_names_stay_first_among_many_newer_matches() {
    let app = app().await;
    sqlx::raw_sql(
        "insert into catalog.products (name, description, price_minor, currency, stock)
         select 'Filler ' || n, 'A lamp, lampshade, runway and ceramic mug in one, with lamp oil.', 100, 'USD', 1
         from generate_series(1, 2000) n",
    )
    .execute(&app.db)
    .await
    .unwrap();
    for (q, names) in [
        ("lamp", &["Lamp", "Lamp oil"][..]),
        ("lamp oil", &["Lamp oil"]),
        ("lampshade", &["Lampshade"]),
        ("runway", &["Runway model"]),
        ("ceramic mug", &["Ceramic mug"]),
    ] {
        assert_eq!(app.search(q).await[..names.len()], *names, "{q}");
    }
    assert_eq!(app.search("lamp").await[2], "Lampshade", "a name with a longer word precedes descriptions");
    // Rare words are found however old the product is.
    assert_eq!(app.search("walnut").await, ["Walnut board"]);
    assert_eq!(app.search("wallnut").await, ["Walnut board"]);
    assert_eq!(app.search("treadmill").await, ["Treadmill"]);
}
