//! Lines of products with several variants.

use tonic::Code;
use tonic_types::StatusExt as _;

use crate::test_app::{TestApp, lines, rejection};

#[tokio::test]
async fn variants_of_one_product_are_lines_of_their_own() {
    let app = TestApp::start().await;
    app.catalog.set_variants(&[3, 4, 5], &["S", "M", "L"]);
    let user = app.user();
    user.add_variant(3, 4).await.unwrap();
    user.add_variant(0, 5).await.unwrap();
    user.add_variant(3, 3).await.unwrap();
    let cart = user.add_variant(0, 4).await.unwrap();
    assert_eq!(lines(&cart), [(4, 2), (5, 1), (3, 1)]);
    let items: Vec<_> = cart
        .items
        .iter()
        .map(|item| (item.variant_of, item.sku.as_str(), item.variant_name.as_str(), item.price_minor))
        .collect();
    assert_eq!(items, [(3, "SKU-4", "M", 400), (3, "SKU-5", "L", 500), (0, "SKU-3", "S", 300)]);
    assert_eq!(lines(&user.set(5, 7).await.unwrap()), [(4, 2), (5, 7), (3, 1)]);
    assert_eq!(lines(&user.remove(4).await.unwrap()), [(5, 7), (3, 1)]);
}

#[tokio::test]
async fn a_product_with_several_variants_needs_a_choice() {
    let app = TestApp::start().await;
    app.catalog.set_variants(&[3, 4, 5], &["S", "M", "L"]);
    let user = app.user();
    let rejected = user.add(3, 1).await.unwrap_err();
    let fields = rejected.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields[0].field, "variant_id");
    assert_eq!(fields[0].description, "must be one of 3 (S), 4 (M), 5 (L)");
    assert_eq!(rejection::<()>(Err(rejected)), (Code::InvalidArgument, "variant_required".to_owned()));
    assert_eq!(user.lines().await, []);

    // Without the choice, only if there is none.
    for id in [3, 5] {
        app.catalog.edit(id, |product| product.archived = true);
    }
    for id in [3, 4, 5] {
        app.catalog.edit(id, |product| product.variant_count = 1);
    }
    assert_eq!(lines(&user.add(3, 2).await.unwrap()), [(4, 2)]);
    app.catalog.edit(4, |product| product.archived = true);
    assert_eq!(rejection(user.add(3, 1).await), (Code::NotFound, "product_not_found".to_owned()));
}

#[tokio::test]
async fn rejects_variants_that_are_unknown_archived_or_of_another_product() {
    let app = TestApp::start().await;
    app.catalog.set_variants(&[3, 4, 5], &["S", "M", "L"]);
    app.catalog.edit(5, |product| product.archived = true);
    let user = app.user();
    for (product_id, variant_id) in [(3, 5), (0, 5), (3, 999), (0, -1), (4, 3), (7, 4)] {
        let rejected = rejection(user.add_variant(product_id, variant_id).await);
        assert_eq!(rejected, (Code::NotFound, "variant_not_found".to_owned()), "{product_id} {variant_id}");
    }
    // The id of another variant than the first is not one of a product.
    assert_eq!(rejection(user.add(4, 1).await), (Code::NotFound, "product_not_found".to_owned()));
    assert_eq!(app.cart_count().await, 0);
    // The only variant of another product.
    assert_eq!(lines(&user.add_variant(7, 7).await.unwrap()), [(7, 1)]);
}
