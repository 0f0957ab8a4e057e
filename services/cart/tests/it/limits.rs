//! How much a cart holds.

use bodega_proto::catalog::v1::{Product, Tag};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::shop::{Shop, refusal};

/// The one field that was refused.
fn refused_field(refused: &Status) -> String {
    assert_eq!(refused.code(), Code::InvalidArgument);
    let mut violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1);
    violations.remove(0).field
}

#[tokio::test]
async fn a_quantity_has_bounds() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 1).await.unwrap();
    for quantity in [0, -1, 10_000, i32::MIN, i32::MAX] {
        assert_eq!(refused_field(&user.add(1, quantity).await.unwrap_err()), "quantity", "add {quantity}");
    }
    for quantity in [-1, 10_000, i32::MIN, i32::MAX] {
        assert_eq!(refused_field(&user.set(1, quantity).await.unwrap_err()), "quantity", "set {quantity}");
    }
    assert_eq!(user.lines().await, [(1, 1)]);
    user.set(1, 9_999).await.unwrap();
}

#[tokio::test]
async fn a_line_holds_9999_units_and_an_add_beyond_changes_nothing() {
    let shop = Shop::open().await;
    let user = shop.user();
    user.add(1, 9_998).await.unwrap();
    let full = user.add(1, 1).await.unwrap();
    let refused = user.add(1, 1).await.unwrap_err();
    assert_eq!(refused_field(&refused), "quantity");
    assert_eq!(refusal(Err::<(), _>(refused)).1, "invalid_field");
    assert_eq!(user.get().await.unwrap(), full);
}

#[tokio::test]
async fn a_cart_holds_100_products_and_an_add_beyond_changes_nothing() {
    let shop = Shop::open().await;
    let user = shop.user();
    for product_id in 1..=100 {
        user.add(product_id, 1).await.unwrap();
    }
    let full = user.get().await.unwrap();
    assert_eq!(refusal(user.add(101, 1).await), (Code::FailedPrecondition, "cart_full".into()));
    assert_eq!(user.get().await.unwrap(), full);
    assert_eq!(user.add(100, 1).await.unwrap().count, 101, "a line that is there takes no room");
    user.remove(1).await.unwrap();
    assert_eq!(user.add(101, 1).await.unwrap().items.len(), 100);
}

#[tokio::test]
async fn the_dearest_cart_there_can_be_is_priced_exactly() {
    let shop = Shop::open().await;
    let user = shop.user();
    for product_id in 1..=100 {
        shop.catalog.edit(product_id, |product| product.price_minor = 1_000_000_000_000);
        user.add(product_id, 9_999).await.unwrap();
    }
    let cart = user.get().await.unwrap();
    assert_eq!((cart.total_minor, cart.count), (999_900_000_000_000_000, 999_900));
}

#[tokio::test]
async fn products_at_their_longest_do_not_break_a_cart() {
    let shop = Shop::open().await;
    let user = shop.user();
    let longest = |product: &mut Product| {
        let name = "\u{1F600}".repeat(100);
        product.description = "\u{1F600}".repeat(10_000);
        product.tags = (1..=50).map(|id| Tag { id, name: name.clone(), product_count: 0 }).collect();
    };
    for product_id in 1..=100 {
        user.add(product_id, 1).await.unwrap();
    }
    for product_id in 1..=101 {
        shop.catalog.edit(product_id, longest);
    }
    assert_eq!(user.get().await.unwrap().items.len(), 100);
    assert_eq!(refusal(user.add(101, 1).await).1, "cart_full");
}
