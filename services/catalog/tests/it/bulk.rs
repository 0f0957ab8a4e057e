//! Inserting many products at once.

use bodega_catalog::bulk::{self, NewProduct, NewVariant};

use crate::test_app::TestApp;

fn new(name: &str) -> NewProduct {
    NewProduct { name: name.to_owned(), price_minor: 100, stock: 3, ..NewProduct::default() }
}

#[tokio::test]
async fn inserts_products_in_order_with_tags_categories_and_images() {
    let app = TestApp::start().await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let categories = bulk::categories(&app.db, &names(&["Kitchen", "Office", "KITCHEN"])).await.unwrap();
    assert_eq!(categories[0], categories[2]);
    assert_eq!(
        bulk::categories(&app.db, &names(&["office", "kitchen"])).await.unwrap(),
        [categories[1], categories[0]]
    );
    let tags = bulk::tags(&app.db, &names(&["red", "big"])).await.unwrap();

    let products: Vec<_> = (0..2_500)
        .map(|number| {
            let mut product = new(&format!("Product {number}"));
            product.stock = number % 3;
            product.category_id = Some(categories[usize::try_from(number % 2).unwrap()]);
            product.tag_ids = tags[..usize::try_from(number % 3).unwrap()].to_vec();
            product.image_url = (number % 2 == 0).then(|| format!("/{number}.png"));
            product
        })
        .collect();
    let mut progress = Vec::new();
    let ids = bulk::insert_products(&app.db, "USD".parse().unwrap(), &products, |done| progress.push(done));
    let ids = ids.await.unwrap();
    assert_eq!(progress, [1_000, 2_000, 2_500]);
    for chunk in ids.iter().zip(&products).collect::<Vec<_>>().chunks(200) {
        let found = app.batch_get(&chunk.iter().map(|(id, _)| **id).collect::<Vec<_>>()).await;
        assert_eq!(found.len(), chunk.len());
        for (found, (id, expected)) in found.iter().zip(chunk) {
            assert_eq!((found.id, &found.name, found.stock), (**id, &expected.name, expected.stock));
            assert_eq!(found.category.as_ref().map(|category| category.id), expected.category_id);
            assert_eq!(found.tags.len(), expected.tag_ids.len());
            assert_eq!(found.images.first().map(|image| image.url.clone()), expected.image_url);
        }
    }
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn inserts_products_with_variants() {
    let app = TestApp::start().await;
    let size = |size: &str, stock| NewVariant {
        sku: format!("MUG-{size}"),
        option_values: vec![size.to_owned()],
        price_minor: 100,
        stock,
        ..NewVariant::default()
    };
    let variants = vec![size("S", 3), size("L", 4)];
    let with_variants = NewProduct { option_names: vec!["Size".to_owned()], variants, ..new("Mug") };
    let products = [new("Cup"), with_variants.clone()];
    let ids = bulk::insert_products(&app.db, "USD".parse().unwrap(), &products, |_| {}).await.unwrap();
    let mug = app.get(ids[1]).await.unwrap();
    assert_eq!((mug.stock, mug.variants.len(), mug.variants[0].id), (7, 2, ids[1]));
    assert!(app.get(ids[0]).await.unwrap().variants.is_empty());
    app.assert_ledger_adds_up().await;

    let skus = ["mug-s", "MUG-M", "MUG-L"].map(str::to_owned);
    assert_eq!(bulk::taken_skus(&app.db, &skus).await.unwrap(), ["mug-s", "MUG-L"]);
    // All of them or none.
    let products = [new("Plate"), with_variants];
    let error = bulk::insert_products(&app.db, "USD".parse().unwrap(), &products, |_| {}).await.unwrap_err();
    assert_eq!(error.to_string(), "another variant has this SKU");
    assert_eq!(app.search("plate").await, [""; 0]);
}

#[tokio::test]
async fn an_invalid_product_rolls_back_its_batch() {
    let app = TestApp::start().await;
    let products = [new("Mug"), NewProduct { price_minor: -1, ..new("Cup") }];
    let error = bulk::insert_products(&app.db, "USD".parse().unwrap(), &products, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("product_prices_are_in_range"), "{error}");
    assert!(app.list(Default::default()).await.is_empty());
}
