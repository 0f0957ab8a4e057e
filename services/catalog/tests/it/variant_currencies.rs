//! Prices of variants after the currency of the store was changed.

use bodega_proto::catalog::v1::{UpdateProductRequest, UpdateVariantRequest};
use uuid::Uuid;

use crate::{
    test_app::{TestApp, assert_invalid, update_request},
    variants::{is_reserved, request, three_sizes, variant},
};

/// Makes all prices those of a store that had another currency.
async fn set_former_currency(app: &TestApp) {
    sqlx::query("update catalog.products set currency = 'JPY'").execute(&app.db).await.unwrap();
}

async fn currencies(app: &TestApp, ids: &[i32]) -> Vec<String> {
    app.batch_get(ids).await.into_iter().map(|product| product.currency).collect()
}

#[tokio::test]
async fn a_change_of_one_variant_keeps_a_former_currency() {
    let app = TestApp::start().await;
    let sizes = three_sizes(&app).await;
    let [small, medium, large] = sizes;
    set_former_currency(&app).await;
    let change = UpdateVariantRequest { id: medium, ..Default::default() };
    let weight = UpdateVariantRequest { weight_grams: Some(7), stock: Some(60), ..change.clone() };
    let changed = app.update_variant(weight).await.unwrap();
    assert_eq!((changed.currency.as_str(), changed.variants[1].weight_grams), ("JPY", 7));
    assert_eq!(currencies(&app, &sizes).await, ["JPY"; 3]);
    for id in sizes {
        assert!(!is_reserved(&app.reserve(Uuid::now_v7(), &[(id, 1)]).await), "{id}");
    }

    // A price is in the currency of the store, which the other variants do not have.
    let price = UpdateVariantRequest { price_minor: Some(110), ..change.clone() };
    assert_invalid(app.update_variant(price).await, &["price_minor"]);
    let compare_at = UpdateVariantRequest { compare_at_minor: Some(200), ..change };
    assert_invalid(app.update_variant(compare_at).await, &["compare_at_minor"]);
    assert_eq!(currencies(&app, &sizes).await, ["JPY"; 3]);

    let all = [variant("A", "S", 100, 5), variant("B", "M", 110, 6), variant("C", "L", 120, 7)];
    app.put_variants(request(small, &all)).await.unwrap();
    assert_eq!(currencies(&app, &sizes).await, ["USD"; 3]);
    assert!(is_reserved(&app.reserve(Uuid::now_v7(), &[(large, 1)]).await));
    app.assert_ledger_adds_up().await;
}

#[tokio::test]
async fn a_new_price_of_the_only_variant_is_in_the_currency_of_the_store() {
    let app = TestApp::start().await;
    let [small, _, large] = three_sizes(&app).await;
    app.put_variants(request(small, &[variant("C", "L", 120, 7)])).await.unwrap();
    let compare_at = UpdateVariantRequest { id: large, compare_at_minor: Some(200), ..Default::default() };
    for is_product in [false, true] {
        app.update_variant(compare_at.clone()).await.unwrap();
        set_former_currency(&app).await;
        let changed = if is_product {
            let price = UpdateProductRequest { price_minor: Some(130), ..update_request(small) };
            app.update(price).await.unwrap()
        } else {
            let price = UpdateVariantRequest { id: large, price_minor: Some(130), ..Default::default() };
            app.update_variant(price).await.unwrap()
        };
        let only = &changed.variants[0];
        assert_eq!((changed.currency.as_str(), only.price_minor), ("USD", 130));
        assert_eq!(only.compare_at_minor, None, "it was in the former currency");
        assert_eq!(currencies(&app, &[large]).await, ["USD"]);
        assert!(is_reserved(&app.reserve(Uuid::now_v7(), &[(large, 1)]).await));
    }
}
