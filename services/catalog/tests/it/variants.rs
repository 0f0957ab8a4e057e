//! Variants of products.

use bodega_proto::catalog::v1::{
    CreateProductRequest, InsufficientStock, InsufficientStockLine, ListProductsRequest, PutVariantsRequest,
    UpdateProductRequest, UpdateVariantRequest, Variant, reserve_response::Outcome,
};
use bodega_runtime::auth::Role;
use tonic::Code;
use uuid::Uuid;

use crate::test_app::{TestApp, assert_invalid, product, rejection, update_request};

pub(crate) fn variant(sku: &str, size: &str, price_minor: i64, stock: i32) -> Variant {
    let option_values = vec![size.to_owned()];
    Variant { sku: sku.to_owned(), option_values, price_minor, stock: Some(stock), ..Variant::default() }
}

pub(crate) fn request(product_id: i32, variants: &[Variant]) -> PutVariantsRequest {
    let option_names = vec!["Size".to_owned()];
    PutVariantsRequest { product_id, option_names, variants: variants.to_vec(), expected_version: None }
}

/// Declares sizes S, M and L with 5, 6 and 7 units for 1.00, 1.10 and 1.20, and returns their ids.
pub(crate) async fn three_sizes(app: &TestApp) -> [i32; 3] {
    let id = app.create_with_stock(5).await;
    let sizes = [variant("A", "S", 100, 5), variant("B", "M", 110, 6), variant("C", "L", 120, 7)];
    let put = app.put_variants(request(id, &sizes)).await.unwrap();
    let ids: Vec<_> = put.variants.iter().map(|variant| variant.id).collect();
    ids.try_into().unwrap()
}

/// Returns SKU, option, price and stock of each variant.
pub(crate) async fn sizes(app: &TestApp, product_id: i32) -> Vec<(i32, String, String, i64, i32)> {
    let variants = app.variants(product_id).await.unwrap().into_iter();
    variants
        .map(|variant| {
            let size = variant.option_values.concat();
            (variant.id, variant.sku, size, variant.price_minor, variant.stock.unwrap())
        })
        .collect()
}

pub(crate) fn is_reserved(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Reserved(_))
}

#[tokio::test]
async fn a_new_product_has_one_variant_with_its_own_id() {
    let app = TestApp::start().await;
    let id = app.create(CreateProductRequest { stock: 5, price_minor: 1999, ..product("Mug") }).await.id;
    let expected = Variant {
        id,
        product_id: id,
        price_minor: 1999,
        stock: Some(5),
        tax_class: "standard".to_owned(),
        ..Variant::default()
    };
    assert_eq!(app.variants(id).await.unwrap(), [expected]);
}

#[tokio::test]
async fn declares_all_variants_and_the_first_keeps_the_id_of_the_product() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let expected = [(small, "A", "S", 100, 5), (medium, "B", "M", 110, 6), (large, "C", "L", 120, 7)];
    let expected =
        expected.map(|(id, sku, size, price, stock)| (id, sku.to_owned(), size.to_owned(), price, stock));
    assert_eq!(sizes(&app, small).await, expected);
    app.assert_ledger_adds_up().await;

    // Of the lists of products, only the product has changed.
    assert_eq!(app.list(ListProductsRequest::default()).await, [small]);
    assert_eq!(app.search("mug").await, ["Mug"]);
    assert_eq!(rejection(app.get(medium).await), (Code::NotFound, "product_not_found".to_owned()));
    assert_eq!(rejection(app.variants(medium).await), (Code::NotFound, "product_not_found".to_owned()));
}

#[tokio::test]
async fn variants_are_recognized_by_id_sku_and_options() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    // Renamed by its id, resized by its SKU, and repriced by its size; XXL is new.
    let again = [
        Variant { id: large, ..variant("NEW", "XL", 120, 7) },
        variant("b", "L", 110, 6),
        Variant { stock: None, ..variant("", "S", 90, 0) },
        variant("", "XXL", 200, 1),
    ];
    let put = app.put_variants(request(small, &again)).await.unwrap();
    let ids: Vec<_> = put.variants.iter().map(|variant| variant.id).collect();
    assert_eq!(ids[..3], [large, medium, small]);
    assert!(ids[3] > large);
    let stocks: Vec<_> = put.variants.iter().map(|variant| variant.stock.unwrap()).collect();
    assert_eq!(stocks, [7, 6, 5, 1], "a stock that is not declared stays");
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn variants_can_exchange_their_skus_and_sizes() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let exchanged = [
        Variant { id: small, ..variant("B", "M", 100, 5) },
        Variant { id: medium, ..variant("A", "S", 110, 6) },
        Variant { id: large, ..variant("C", "L", 120, 7) },
    ];
    app.put_variants(request(small, &exchanged)).await.unwrap();
    let skus: Vec<_> = sizes(&app, small).await.into_iter().map(|size| (size.0, size.1)).collect();
    assert_eq!(skus, [(small, "B".to_owned()), (medium, "A".to_owned()), (large, "C".to_owned())]);
}

#[tokio::test]
async fn declaring_the_same_variants_again_changes_nothing() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(0).await;
    let many: Vec<_> =
        (0..250).map(|index| variant(&format!("SKU-{index}"), &index.to_string(), index.into(), 1)).collect();
    let first = app.put_variants(request(id, &many)).await.unwrap();
    let second = app.put_variants(request(id, &many)).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(app.get(id).await.unwrap().version, first.version);
    let movements: i64 =
        sqlx::query_scalar("select count(*) from catalog.stock_movements").fetch_one(&app.db).await.unwrap();
    assert_eq!(movements, 250);
}

#[tokio::test]
async fn a_variant_that_is_not_declared_is_archived_and_keeps_its_stock() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    app.put_variants(request(small, &[variant("C", "L", 120, 7)])).await.unwrap();
    assert_eq!(sizes(&app, small).await, [(large, "C".to_owned(), "L".to_owned(), 120, 7)]);
    for (archived, name) in [(small, "Mug (S)"), (medium, "Mug (M)")] {
        let outcome = app.reserve(Uuid::now_v7(), &[(archived, 1), (large, 1)]).await;
        let line =
            InsufficientStockLine { product_id: archived, name: name.to_owned(), requested: 1, available: 0 };
        assert_eq!(outcome, Outcome::InsufficientStock(InsufficientStock { lines: vec![line] }));
    }
    assert!(is_reserved(&app.reserve(Uuid::now_v7(), &[(large, 1)]).await));
    app.assert_ledger_adds_up().await;

    // Its SKU and size are free, and it can return with its id.
    let back = [variant("A", "M", 1, 1), Variant { id: medium, stock: None, ..variant("B", "S", 110, 0) }];
    app.put_variants(request(small, &back)).await.unwrap();
    assert_eq!(sizes(&app, small).await[1], (medium, "B".to_owned(), "S".to_owned(), 110, 6));
}

#[tokio::test]
async fn variants_are_reserved_and_released_with_their_own_price_and_stock() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let renamed = UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(small) };
    app.update(renamed).await.unwrap();
    let order_id = Uuid::now_v7();
    let Outcome::Reserved(reserved) = app.reserve(order_id, &[(large, 2), (small, 5)]).await else {
        panic!("not enough stock")
    };
    let lines: Vec<_> = reserved
        .lines
        .iter()
        .map(|line| (line.product_id, line.name.as_str(), line.price_minor, line.quantity))
        .collect();
    assert_eq!(lines, [(small, "Cup", 100, 5), (large, "Cup", 120, 2)]);
    let stock = |sizes: Vec<(i32, String, String, i64, i32)>| {
        sizes.into_iter().map(|size| size.4).collect::<Vec<_>>()
    };
    assert_eq!(stock(sizes(&app, small).await), [0, 6, 5]);
    let Outcome::InsufficientStock(short) =
        app.reserve(Uuid::now_v7(), &[(medium, 1), (small, 1), (large, 7)]).await
    else {
        panic!("reserved more than the stock")
    };
    let lines = short.lines.iter().map(|line| (line.product_id, line.name.as_str(), line.available));
    assert_eq!(lines.collect::<Vec<_>>(), [(small, "Cup (S)", 0), (large, "Cup (L)", 5)]);
    app.release(order_id).await;
    assert_eq!(stock(sizes(&app, small).await), [5, 6, 7]);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn variants_are_archived_with_their_product() {
    let app = TestApp::start().await;
    let [small, medium, _] = three_sizes(&app).await;
    app.archive(small).await;
    for id in [small, medium] {
        assert!(!is_reserved(&app.reserve(Uuid::now_v7(), &[(id, 1)]).await), "{id}");
    }
    let put = app.put_variants(request(small, &[variant("A", "S", 1, 1)])).await;
    assert_eq!(rejection(put), (Code::NotFound, "product_not_found".to_owned()));
    // Its SKUs are free.
    let other = app.create_with_stock(1).await;
    app.put_variants(request(other, &[variant("a", "S", 1, 1)])).await.unwrap();
}

#[tokio::test]
async fn the_price_of_a_product_with_several_variants_is_theirs() {
    let app = TestApp::start().await;
    let [small, _, large] = three_sizes(&app).await;
    let has_variants = (Code::FailedPrecondition, "has_variants".to_owned());
    let price = UpdateProductRequest { price_minor: Some(1), ..update_request(small) };
    let stock = UpdateProductRequest { stock: Some(1), ..update_request(small) };
    assert_eq!(rejection(app.update(price.clone()).await), has_variants);
    assert_eq!(rejection(app.update(stock).await), has_variants);
    let first = [Variant { id: small, ..variant("A", "S", 100, 5) }];
    app.put_variants(request(small, &first)).await.unwrap();
    assert_eq!(app.update(price).await.unwrap().price_minor, 1);
    assert_eq!(sizes(&app, small).await[0].3, 1);
    app.put_variants(request(small, &[Variant { id: large, ..variant("C", "L", 120, 7) }])).await.unwrap();
    assert_eq!(app.get(small).await.unwrap().variant_count, 1);
}

#[tokio::test]
async fn the_price_and_stock_of_a_product_are_those_of_its_only_variant_also_if_it_is_not_the_first() {
    let app = TestApp::start().await;
    let [small, _, large] = three_sizes(&app).await;
    app.put_variants(request(small, &[variant("C", "L", 120, 7)])).await.unwrap();
    let update = UpdateProductRequest { price_minor: Some(90), stock: Some(9), ..update_request(small) };
    let updated = app.update(update.clone()).await.unwrap();
    assert_eq!((updated.price_minor, updated.price_max_minor, updated.stock), (90, None, 9));
    assert_eq!(sizes(&app, small).await, [(large, "C".to_owned(), "L".to_owned(), 90, 9)]);
    assert_eq!(app.movements(large).await.last(), Some(&("adjusted".to_owned(), 2)));
    assert_eq!(app.stock_of(small).await, 5, "that of the archived variant stays");
    app.assert_ledger_adds_up().await;

    // A sale changes the version, and no update that expects the one before overwrites its stock.
    assert!(is_reserved(&app.reserve(Uuid::now_v7(), &[(large, 4)]).await));
    let outdated = UpdateProductRequest { expected_version: Some(updated.version), ..update.clone() };
    assert_eq!(rejection(app.update(outdated).await), (Code::Aborted, "version_mismatch".to_owned()));
    let current = app.get(small).await.unwrap().version;
    let restocked =
        app.update(UpdateProductRequest { expected_version: Some(current), ..update }).await.unwrap();
    assert_eq!(restocked.stock, 9);
    assert!(restocked.version > current);
    let renamed = UpdateProductRequest { name: Some("Cup".to_owned()), ..update_request(small) };
    assert_eq!(app.update(renamed).await.unwrap().stock, 9);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_change_of_one_variant_writes_no_row_of_the_others() {
    let app = TestApp::start().await;
    let [small, _, large] = three_sizes(&app).await;
    let rows = async || -> Vec<(i32, String)> {
        let query = "select id, ctid::text || xmin::text from catalog.variants order by id";
        sqlx::query_as(query).fetch_all(&app.db).await.unwrap()
    };
    let before = rows().await;
    let update = UpdateVariantRequest { id: large, weight_grams: Some(7), ..Default::default() };
    assert_eq!(app.update_variant(update).await.unwrap().variants[2].weight_grams, 7);
    let after = rows().await;
    assert_eq!((&after[..2], after[0].0), (&before[..2], small));
    assert_ne!(after[2], before[2]);
}

#[tokio::test]
async fn rejects_skus_of_other_products_and_invalid_declarations() {
    let app = TestApp::start().await;
    let [small, ..] = three_sizes(&app).await;
    let other = app.create_with_stock(3).await;
    let taken = app.put_variants(request(other, &[variant("b", "S", 1, 1), variant("", "M", 1, 1)])).await;
    assert_eq!(rejection(taken), (Code::AlreadyExists, "sku_exists".to_owned()));
    let foreign = app.put_variants(request(other, &[Variant { id: small, ..variant("", "S", 1, 1) }])).await;
    assert_invalid(foreign, &["variants[0].id"]);
    assert_invalid(app.put_variants(request(other, &[])).await, &["variants"]);
    assert_eq!(app.variants(other).await.unwrap().len(), 1, "nothing has changed");

    let version = app.get(other).await.unwrap().version;
    let expecting = |expected| PutVariantsRequest {
        expected_version: Some(expected),
        ..request(other, &[variant("", "S", 1, 1)])
    };
    let mismatch = (Code::Aborted, "version_mismatch".to_owned());
    assert_eq!(rejection(app.put_variants(expecting(version + 1)).await), mismatch);
    assert_eq!(app.put_variants(expecting(version)).await.unwrap().version, version + 2);
}

#[tokio::test]
async fn only_admins_declare_variants() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(1).await;
    let as_role = |role| app.put_variants_as(role, request(id, &[variant("", "S", 1, 1)]));
    assert_eq!(rejection(as_role(None).await).0, Code::Unauthenticated);
    assert_eq!(rejection(as_role(Some(Role::User)).await).0, Code::PermissionDenied);
}

#[tokio::test]
async fn the_stock_of_each_variant_that_is_sold_is_counted_as_low() {
    let app = TestApp::start().await;
    let low = async || -> Vec<i32> {
        let query = "select product_id from catalog.low_stock order by product_id";
        sqlx::query_scalar(query).fetch_all(&app.db).await.unwrap()
    };
    let [small, medium, large] = three_sizes(&app).await;
    assert_eq!(low().await, [small], "it has 5 units");
    let order_id = Uuid::now_v7();
    app.reserve(order_id, &[(medium, 1), (large, 7)]).await;
    assert_eq!(low().await, [small, medium]);
    app.release(order_id).await;
    assert_eq!(low().await, [small]);
    app.put_variants(request(small, &[variant("B", "M", 110, 4), variant("C", "L", 120, 5)])).await.unwrap();
    assert_eq!(low().await, [medium, large]);
    let back = [Variant { id: small, stock: None, ..variant("A", "S", 1, 0) }, variant("B", "M", 110, 9)];
    app.put_variants(request(small, &back)).await.unwrap();
    assert_eq!(low().await, [small]);
    app.archive(small).await;
    assert_eq!(low().await, [0; 0]);
}
