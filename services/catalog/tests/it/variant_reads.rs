//! Products with several variants, as clients, carts and orders read them.

use bodega_proto::catalog::v1::{
    ListProductsRequest, Product, ProductSort, Reserved, ReservedLine, UpdateProductRequest,
    UpdateVariantRequest, Variant, reserve_response::Outcome,
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    test_app::{TestApp, assert_invalid, by_id, product, rejection, update_request},
    variants::{request, three_sizes, variant},
};

/// Returns the size and the stock of each variant of a product.
pub(crate) fn stocks(product: &Product) -> Vec<(String, i32)> {
    product.variants.iter().map(|variant| (variant.option_values.concat(), variant.stock.unwrap())).collect()
}

async fn reserved(app: &TestApp, order_id: Uuid, lines: &[(i32, i32)]) -> Reserved {
    match app.reserve(order_id, lines).await {
        Outcome::Reserved(reserved) => reserved,
        Outcome::InsufficientStock(short) => panic!("not enough stock: {short:?}"),
    }
}

#[tokio::test]
async fn a_product_without_options_has_no_details_of_variants() {
    let app = TestApp::start().await;
    let created = app.create(product("Mug")).await;
    assert_eq!((created.price_max_minor, created.variant_count), (None, 1));
    assert!(created.option_names.is_empty() && created.variants.is_empty());
    assert_eq!(app.batch_get(&[created.id]).await, [created]);
}

#[tokio::test]
async fn a_product_has_the_lowest_price_and_the_whole_stock_of_its_variants() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let product = app.get(small).await.unwrap();
    assert_eq!((product.price_minor, product.price_max_minor, product.stock), (100, Some(120), 18));
    assert_eq!((product.option_names.as_slice(), product.variant_count), (["Size".to_owned()].as_slice(), 3));
    assert_eq!(
        stocks(&product),
        [("S", 5), ("M", 6), ("L", 7)].map(|(size, stock)| (size.to_owned(), stock))
    );

    // Also if the first one is not the cheapest, or not sold any more.
    let dear = [variant("A", "S", 300, 5), variant("B", "M", 110, 6), variant("C", "L", 120, 7)];
    let put = app.put_variants(request(small, &dear)).await.unwrap().product.unwrap();
    assert_eq!((put.price_minor, put.price_max_minor, put.variants[0].price_minor), (110, Some(300), 300));
    assert_eq!(app.get(small).await.unwrap(), put);
    let put = app.put_variants(request(small, &dear[1..])).await.unwrap().product.unwrap();
    assert_eq!((put.price_minor, put.price_max_minor, put.stock, put.variant_count), (110, Some(120), 13, 2));
    assert_eq!(put.variants.iter().map(|variant| variant.id).collect::<Vec<_>>(), [medium, large]);
}

#[tokio::test]
async fn every_change_of_a_variant_raises_the_version_of_its_product() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let mut versions = vec![app.get(small).await.unwrap().version];
    let order = Uuid::now_v7();
    reserved(&app, order, &[(large, 1), (medium, 1)]).await;
    versions.push(app.get(small).await.unwrap().version);
    app.release(order).await;
    versions.push(app.get(small).await.unwrap().version);
    let price = UpdateVariantRequest { id: large, price_minor: Some(130), ..Default::default() };
    versions.push(app.update_variant(price).await.unwrap().version);
    app.put_variants(request(small, &[variant("A", "S", 100, 5)])).await.unwrap();
    versions.push(app.get(small).await.unwrap().version);
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");

    let name = |expected| UpdateProductRequest {
        name: Some("Cup".to_owned()),
        expected_version: Some(expected),
        ..update_request(small)
    };
    let mismatch = (Code::Aborted, "version_mismatch".to_owned());
    assert_eq!(rejection(app.update(name(versions[0])).await), mismatch);
    assert!(app.update(name(versions[4])).await.unwrap().version > versions[4]);
}

#[tokio::test]
async fn lists_use_the_lowest_price_and_the_stock_of_all_variants() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let cheaper = app.create_with_stock(0).await; // 1.00, as size S
    let dear = [variant("A", "S", 300, 5), variant("B", "M", 90, 6), variant("C", "L", 120, 7)];
    app.put_variants(request(small, &dear)).await.unwrap();
    let by_price = ListProductsRequest { sort: ProductSort::PriceAsc.into(), ..Default::default() };
    assert_eq!(app.list(by_price.clone()).await, [small, cheaper]);
    let below = ListProductsRequest { max_price_minor: Some(95), ..Default::default() };
    assert_eq!(app.list(below).await, [small]);

    let in_stock = |in_stock| ListProductsRequest { in_stock: Some(in_stock), ..Default::default() };
    for (sold, is_in_stock) in [(small, true), (large, true), (medium, false)] {
        let left = app.batch_get(&[sold]).await[0].stock;
        reserved(&app, Uuid::now_v7(), &[(sold, left)]).await;
        let expected = if is_in_stock { vec![cheaper] } else { vec![cheaper, small] };
        assert_eq!(app.list(in_stock(false)).await, expected, "{sold}");
        assert_eq!(app.list(in_stock(true)).await.contains(&small), is_in_stock, "{sold}");
    }
    // The stock of a variant that is not sold any more does not count.
    let update = UpdateVariantRequest { id: small, stock: Some(9), ..Default::default() };
    app.update_variant(update).await.unwrap();
    assert_eq!(app.list(in_stock(true)).await, [small]);
    let rest = [variant("B", "M", 90, 0), variant("C", "L", 120, 0)];
    app.put_variants(request(small, &rest)).await.unwrap();
    assert_eq!(app.list(in_stock(true)).await, [0; 0]);
    assert_eq!(app.list(in_stock(false)).await, [cheaper, small]);
}

#[tokio::test]
async fn a_batch_has_each_variant_with_its_own_price_and_stock() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let renamed = UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(small) };
    let version = app.update(renamed).await.unwrap().version;
    let rows = app.batch_get(&[large, small, 999]).await;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.id, row.name.as_str(), row.price_minor, row.stock, row.version, row.archived))
        .collect();
    assert_eq!(found, [(small, "Cup", 100, 5, version, false), (large, "Cup", 120, 7, version, false)]);
    let details = &rows[1].variants[0];
    assert_eq!((details.id, details.product_id, details.sku.as_str()), (large, small, "C"));

    app.put_variants(request(small, &[variant("B", "M", 110, 6)])).await.unwrap();
    let archived: Vec<_> =
        app.batch_get(&[small, medium, large]).await.iter().map(|row| row.archived).collect();
    assert_eq!(archived, [true, false, true]);
    app.archive(small).await;
    assert!(app.batch_get(&[small, medium, large]).await.iter().all(|row| row.archived));
}

#[tokio::test]
async fn a_reserved_line_has_what_pricing_needs_also_when_it_is_repeated() {
    let app = TestApp::start().await;
    let [small, medium, _] = three_sizes(&app).await;
    let category = app.create_category("Clothes").await;
    app.update(UpdateProductRequest { category: Some(by_id(category)), ..update_request(small) })
        .await
        .unwrap();
    let details = UpdateVariantRequest {
        id: medium,
        weight_grams: Some(250),
        is_digital: Some(true),
        tax_class: Some("reduced".to_owned()),
        ..Default::default()
    };
    app.update_variant(details).await.unwrap();
    let simple = app.create_with_stock(3).await;
    let version = app.get(simple).await.unwrap().version;

    let order_id = Uuid::now_v7();
    let first = reserved(&app, order_id, &[(medium, 2), (simple, 1)]).await;
    let expected = ReservedLine {
        product_id: medium,
        name: "Mug".to_owned(),
        price_minor: 110,
        quantity: 2,
        version: Some(i64::MAX),
        variant_of: small,
        sku: "B".to_owned(),
        variant_name: "M".to_owned(),
        tax_class: "reduced".to_owned(),
        category_id: category,
        weight_grams: 250,
        is_digital: true,
    };
    let plain = ReservedLine {
        product_id: simple,
        name: "Mug".to_owned(),
        price_minor: 100,
        quantity: 1,
        version: Some(version + 1),
        ..ReservedLine::default()
    };
    assert_eq!(first.lines, [expected, plain]);

    // Later changes have no effect.
    app.put_variants(request(small, &[variant("X", "M", 1, 1), variant("Y", "S", 1, 1)])).await.unwrap();
    let again = reserved(&app, order_id, &[(medium, 2), (simple, 1)]).await;
    let without_versions = |lines: Vec<ReservedLine>| {
        lines.into_iter().map(|line| ReservedLine { version: None, ..line }).collect::<Vec<_>>()
    };
    assert_eq!(again.lines, without_versions(first.lines));
}

#[tokio::test]
async fn changes_one_variant_and_leaves_the_others() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let before = app.get(small).await.unwrap();
    let update = UpdateVariantRequest {
        id: large,
        sku: Some("NEW".to_owned()),
        price_minor: Some(80),
        compare_at_minor: Some(120),
        stock: Some(1),
        ..Default::default()
    };
    let changed = app.update_variant(update).await.unwrap();
    let expected = Variant {
        sku: "NEW".to_owned(),
        price_minor: 80,
        compare_at_minor: Some(120),
        stock: Some(1),
        ..before.variants[2].clone()
    };
    assert_eq!(changed.variants, [before.variants[0].clone(), before.variants[1].clone(), expected]);
    assert_eq!((changed.price_minor, changed.price_max_minor, changed.stock), (80, Some(110), 12));
    app.assert_ledger_adds_up().await;

    // Nothing changes with an update that sets what it has.
    let same = UpdateVariantRequest { id: large, price_minor: Some(80), ..Default::default() };
    assert_eq!(app.update_variant(same).await.unwrap(), changed);

    let unknown = UpdateVariantRequest { id: 999, ..Default::default() };
    assert_eq!(
        rejection(app.update_variant(unknown).await),
        (Code::NotFound, "variant_not_found".to_owned())
    );
    let taken = UpdateVariantRequest { id: medium, sku: Some("new".to_owned()), ..Default::default() };
    assert_eq!(rejection(app.update_variant(taken).await), (Code::AlreadyExists, "sku_exists".to_owned()));
    let foreign = UpdateVariantRequest { id: medium, image_id: Some(7), ..Default::default() };
    assert_invalid(app.update_variant(foreign).await, &["image_id"]);
    let outdated =
        UpdateVariantRequest { id: medium, expected_version: Some(before.version), ..Default::default() };
    assert_eq!(rejection(app.update_variant(outdated).await).0, Code::Aborted);
}
