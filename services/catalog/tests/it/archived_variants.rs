//! Variants that can no longer be ordered, and return.

use bodega_proto::catalog::v1::{PutVariantsRequest, UpdateVariantRequest, Variant};
use uuid::Uuid;

use crate::{
    test_app::{TestApp, assert_invalid},
    variants::{is_reserved, request, sizes, three_sizes, variant},
};

/// Declares a number of variants from this one on, each with one unit.
fn many(product_id: i32, first: i32, count: i32) -> PutVariantsRequest {
    let variants: Vec<_> = (first..first + count)
        .map(|number| variant(&format!("SKU-{number}"), &number.to_string(), number.into(), 1))
        .collect();
    request(product_id, &variants)
}

#[tokio::test]
async fn a_variant_that_is_declared_again_keeps_its_id_and_stock() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    let mut versions = vec![app.get(small).await.unwrap().version];
    let kept = |sku, size, price| Variant { stock: None, ..variant(sku, size, price, 0) };
    for _ in 0..3 {
        let put = app.put_variants(request(small, &[kept("B", "M", 110)])).await.unwrap();
        versions.push(put.version);
        assert_eq!(sizes(&app, small).await, [(medium, "B".to_owned(), "M".to_owned(), 110, 6)]);
        assert!(!is_reserved(&app.reserve(Uuid::now_v7(), &[(small, 1)]).await));
        // The first by its SKU, and the last by its size.
        let again = [kept("a", "XS", 90), kept("B", "M", 110), kept("NEW", "L", 120)];
        let put = app.put_variants(request(small, &again)).await.unwrap();
        versions.push(put.version);
        let found: Vec<_> = put.variants.iter().map(|size| (size.id, size.stock)).collect();
        assert_eq!(found, [(small, Some(5)), (medium, Some(6)), (large, Some(7))]);
        let original = [kept("A", "S", 100), kept("B", "M", 110), kept("C", "L", 120)];
        versions.push(app.put_variants(request(small, &original)).await.unwrap().version);
        assert!(versions.last() == Some(&app.get(small).await.unwrap().version));
    }
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    // The stock of a request is set as for others.
    app.put_variants(request(small, &[kept("B", "M", 110)])).await.unwrap();
    let put = app.put_variants(request(small, &[variant("C", "L", 120, 2)])).await.unwrap();
    assert_eq!((put.variants[0].id, put.variants[0].stock), (large, Some(2)));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_product_has_at_most_1_000_variants_with_archived_ones() {
    let app = TestApp::start().await;
    let id = app.create_with_stock(0).await;
    let mut version = 0;
    for first in [0, 250, 500, 750] {
        let put = app.put_variants(many(id, first, 250)).await.unwrap();
        assert!(put.version > version);
        version = put.version;
    }
    let last = app.get(id).await.unwrap();
    assert_eq!((last.variants.len(), last.stock, last.variants[0].sku.as_str()), (250, 250, "SKU-750"));
    assert_invalid(app.put_variants(many(id, 751, 250)).await, &["variants"]);
    assert_eq!(app.get(id).await.unwrap(), last, "nothing has changed");

    // Those that return are not new.
    let back = app.put_variants(many(id, 0, 250)).await.unwrap();
    assert!(back.version > version);
    assert_eq!(back.variants[0].id, id);
    let rows: i64 =
        sqlx::query_scalar("select count(*) from catalog.products").fetch_one(&app.db).await.unwrap();
    assert_eq!(rows, 1_000);
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_change_of_one_variant_does_not_wait_for_archived_ones() {
    let app = TestApp::start().await;
    let [small, medium, large] = three_sizes(&app).await;
    app.put_variants(request(small, &[variant("B", "M", 110, 6), variant("C", "L", 120, 7)])).await.unwrap();
    app.put_variants(request(small, &[variant("B", "M", 110, 6)])).await.unwrap();
    let expected = app.get(small).await.unwrap().version;
    let mut release = app.db.begin().await.unwrap();
    sqlx::query("update catalog.products set stock = stock, version = version + 1 where id = $1")
        .bind(large)
        .execute(&mut *release)
        .await
        .unwrap();
    let update = UpdateVariantRequest {
        id: medium,
        weight_grams: Some(7),
        expected_version: Some(expected),
        ..Default::default()
    };
    let changed = app.update_variant(update).await.unwrap();
    assert!(changed.version > expected);
    release.commit().await.unwrap();
    assert_eq!(app.get(small).await.unwrap().version, changed.version + 1);
    assert!(!is_reserved(&app.reserve(Uuid::now_v7(), &[(small, 1)]).await), "it is still archived");
}
