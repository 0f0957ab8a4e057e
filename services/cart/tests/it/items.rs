//! Reading and changing the lines of a cart.

use bodega_proto::cart::v1::{Cart, CartItem};
use tonic::Code;

use crate::test_app::{TestApp, lines, rejection};

#[tokio::test]
async fn reading_a_missing_cart_returns_an_empty_one_and_writes_nothing() {
    let app = TestApp::start().await;
    assert_eq!(app.user().get().await.unwrap(), Cart::default());
    assert_eq!(app.guest("").get().await.unwrap(), Cart::default());
    assert_eq!(app.user().clear().await.unwrap(), Cart::default());
    assert_eq!(app.guest("").clear().await.unwrap(), Cart::default());
    assert_eq!(app.cart_count().await, 0);
}

#[tokio::test]
async fn a_line_has_the_details_of_its_product() {
    let app = TestApp::start().await;
    let user = app.user();
    let cart = user.add(7, 3).await.unwrap();
    let line = CartItem {
        product_id: 7,
        name: "Product 7".to_owned(),
        price_minor: 700,
        quantity: 3,
        line_total_minor: 2100,
        image_url: "/images/7.png".to_owned(),
        available: true,
        stock: 1_000_000,
        ..CartItem::default()
    };
    assert_eq!(cart.items, [line]);
    assert_eq!((cart.total_minor, cart.currency.as_str(), cart.count, cart.version), (2100, "USD", 3, 1));
    assert!(cart.updated_at.is_some());
    assert_eq!(user.get().await.unwrap(), cart);
}

#[tokio::test]
async fn adding_again_adds_up_and_keeps_the_order_of_lines() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(9, 1).await.unwrap();
    user.add(2, 1).await.unwrap();
    let cart = user.add(9, 4).await.unwrap();
    assert_eq!(lines(&cart), [(9, 5), (2, 1)]);
    assert_eq!((cart.total_minor, cart.count), (9 * 100 * 5 + 200, 6));
}

#[tokio::test]
async fn each_change_raises_the_version_and_a_rejected_one_does_not() {
    let app = TestApp::start().await;
    let user = app.user();
    let versions = [
        user.add(1, 1).await.unwrap().version,
        user.add(1, 1).await.unwrap().version,
        user.set(1, 5).await.unwrap().version,
        user.remove(1).await.unwrap().version,
        user.clear().await.unwrap().version,
    ];
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    user.remove(1).await.unwrap_err();
    user.set(1, 1).await.unwrap_err();
    user.add(1, 0).await.unwrap_err();
    user.add(999, 1).await.unwrap_err();
    assert_eq!(user.get().await.unwrap().version, versions[4]);
}

#[tokio::test]
async fn rejects_unknown_and_archived_products() {
    let app = TestApp::start().await;
    app.catalog.edit(3, |product| product.archived = true);
    let user = app.user();
    for product_id in [3, 999, 0, -1, i32::MIN] {
        let outcome = user.add(product_id, 1).await;
        assert_eq!(rejection(outcome), (Code::NotFound, "product_not_found".into()), "{product_id}");
        app.guest("").add(product_id, 1).await.unwrap_err();
    }
    assert_eq!(app.cart_count().await, 0);
}

#[tokio::test]
async fn a_line_beyond_the_stock_is_not_available() {
    let app = TestApp::start().await;
    app.catalog.edit(3, |product| product.stock = 2);
    let user = app.user();
    assert!(user.add(3, 2).await.unwrap().items[0].available);
    let cart = user.add(3, 1).await.unwrap();
    assert_eq!((cart.items[0].available, cart.items[0].stock), (false, 2));
}

#[tokio::test]
async fn lines_of_deleted_products_remain_and_can_be_changed() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(3, 2).await.unwrap();
    user.add(4, 2).await.unwrap();
    app.catalog.edit(3, |product| product.archived = true);
    app.catalog.delete(4);

    let cart = user.get().await.unwrap();
    assert_eq!((cart.items[0].name.as_str(), cart.items[0].available), ("Product 3", false));
    assert_eq!((cart.items[1].name.as_str(), cart.items[1].price_minor), ("", 400));
    assert_eq!((cart.items[1].available, cart.items[1].stock), (false, 0));
    assert_eq!(cart.total_minor, 2 * 300 + 2 * 400);

    user.set(3, 1).await.unwrap();
    assert_eq!(lines(&user.set(4, 1).await.unwrap()), [(3, 1), (4, 1)]);
    user.remove(3).await.unwrap();
    assert_eq!(lines(&user.remove(4).await.unwrap()), []);
}

#[tokio::test]
async fn setting_a_quantity_of_0_removes_the_line() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 5).await.unwrap();
    user.add(2, 1).await.unwrap();
    assert_eq!(lines(&user.set(1, 2).await.unwrap()), [(1, 2), (2, 1)]);
    let cart = user.set(1, 0).await.unwrap();
    assert_eq!(lines(&cart), [(2, 1)]);
    assert_eq!(user.get().await.unwrap(), cart);
}

#[tokio::test]
async fn rejects_setting_or_removing_a_missing_line() {
    let app = TestApp::start().await;
    let no_such_item = (Code::NotFound, "item_not_found".to_owned());
    let with_another = app.user();
    with_another.add(2, 1).await.unwrap();
    for client in [app.user(), app.guest(""), with_another] {
        assert_eq!(rejection(client.set(1, 1).await), no_such_item);
        assert_eq!(rejection(client.set(1, 0).await), no_such_item);
        assert_eq!(rejection(client.remove(1).await), no_such_item);
    }
    assert_eq!(app.cart_count().await, 1);
}

#[tokio::test]
async fn a_cleared_cart_is_empty_and_can_be_used_again() {
    let app = TestApp::start().await;
    let user = app.user();
    user.add(1, 5).await.unwrap();
    user.add(2, 5).await.unwrap();
    let cleared = user.clear().await.unwrap();
    assert_eq!((cleared.items.len(), cleared.total_minor, cleared.count), (0, 0, 0));
    assert_eq!((cleared.currency.as_str(), cleared.version), ("", 3));
    assert_eq!(user.get().await.unwrap(), cleared);
    assert_eq!(user.add(1, 1).await.unwrap().version, 4);
}

#[tokio::test]
async fn users_have_separate_carts() {
    let app = TestApp::start().await;
    let (one, other) = (app.user(), app.user());
    one.add(1, 1).await.unwrap();
    other.add(2, 2).await.unwrap();
    other.clear().await.unwrap();
    assert_eq!(one.lines().await, [(1, 1)]);
    assert_eq!(other.lines().await, []);
}
