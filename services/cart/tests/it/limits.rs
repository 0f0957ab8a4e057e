//! Limits of quantities, lines and guest carts.

use std::net::Ipv4Addr;

use bodega_proto::catalog::v1::{Product, Tag};
use bodega_runtime::{
    context::CallContext,
    rate_limit::{Policy, limits},
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::test_app::{TestApp, rejection};

/// Returns the single invalid field.
fn invalid_field(rejected: &Status) -> String {
    assert_eq!(rejected.code(), Code::InvalidArgument);
    let mut violations = rejected.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1);
    violations.remove(0).field
}

#[tokio::test]
async fn rejects_quantities_out_of_range() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 1).await.unwrap();
    for quantity in [0, -1, 10_000, i32::MIN, i32::MAX] {
        assert_eq!(invalid_field(&user.add(1, quantity).await.unwrap_err()), "quantity", "add {quantity}");
    }
    for quantity in [-1, 10_000, i32::MIN, i32::MAX] {
        assert_eq!(invalid_field(&user.set(1, quantity).await.unwrap_err()), "quantity", "set {quantity}");
    }
    assert_eq!(user.lines().await, [(1, 1)]);
    user.set(1, 9_999).await.unwrap();
}

#[tokio::test]
async fn rejects_more_than_9999_units_of_a_line() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 9_998).await.unwrap();
    let full = user.add(1, 1).await.unwrap();
    let rejected = user.add(1, 1).await.unwrap_err();
    assert_eq!(invalid_field(&rejected), "quantity");
    assert_eq!(rejection(Err::<(), _>(rejected)).1, "invalid_field");
    assert_eq!(user.get().await.unwrap(), full);
}

#[tokio::test]
async fn rejects_more_than_100_lines() {
    let app = TestApp::start().await;
    let user = app.user();
    for product_id in 1..=100 {
        user.add(product_id, 1).await.unwrap();
    }
    let full = user.get().await.unwrap();
    assert_eq!(rejection(user.add(101, 1).await), (Code::FailedPrecondition, "cart_full".into()));
    assert_eq!(user.get().await.unwrap(), full);
    assert_eq!(user.add(100, 1).await.unwrap().count, 101, "the product already has a line");
    user.remove(1).await.unwrap();
    assert_eq!(user.add(101, 1).await.unwrap().items.len(), 100);
}

#[tokio::test]
async fn prices_the_most_expensive_cart_exactly() {
    let app = TestApp::start().await;
    let user = app.user();
    for product_id in 1..=100 {
        app.catalog.edit(product_id, |product| product.price_minor = 1_000_000_000_000);
        user.add(product_id, 9_999).await.unwrap();
    }
    let cart = user.get().await.unwrap();
    assert_eq!((cart.total_minor, cart.count), (999_900_000_000_000_000, 999_900));
}

#[tokio::test]
async fn accepts_products_of_maximum_length() {
    let app = TestApp::start().await;
    let user = app.user();
    let maximum_length = |product: &mut Product| {
        let name = "\u{1F600}".repeat(100);
        product.description = "\u{1F600}".repeat(10_000);
        product.tags = (1..=50).map(|id| Tag { id, name: name.clone(), product_count: 0 }).collect();
    };
    for product_id in 1..=100 {
        user.add(product_id, 1).await.unwrap();
    }
    for product_id in 1..=101 {
        app.catalog.edit(product_id, maximum_length);
    }
    assert_eq!(user.get().await.unwrap().items.len(), 100);
    assert_eq!(rejection(user.add(101, 1).await).1, "cart_full");
}

#[tokio::test]
async fn the_guest_carts_of_a_client_are_limited() {
    let app = TestApp::start().await;
    let from = |address: [u8; 4]| CallContext {
        client_address: Some(Ipv4Addr::from(address).into()),
        ..CallContext::default()
    };
    let mut created = 0;
    let policy = loop {
        match from([10, 0, 0, 1]).scope(app.guest("").add(1, 1)).await {
            Ok(_) => created += 1,
            Err(status) => break Policy::of(&status).unwrap_or_else(|| panic!("{status}")),
        }
        assert!(created < 10_000, "carts of guests are not limited");
    };
    let limit = limits::GUEST_CARTS;
    assert_eq!(policy.limit, limit.name);
    assert!((i64::from(limit.burst)..i64::from(limit.burst) + 20).contains(&created), "{created}");
    assert_eq!(app.cart_count().await, created, "a rejected guest has no cart");
    from([10, 0, 0, 2]).scope(app.guest("").add(1, 1)).await.unwrap();
    from([10, 0, 0, 1]).scope(app.user().add(1, 1)).await.unwrap();
}
