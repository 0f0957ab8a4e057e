//! Carts of guests.

use tonic::Code;

use crate::test_app::{TestApp, lines, rejection};

#[tokio::test]
async fn only_a_guests_first_add_returns_a_token() {
    let app = TestApp::start().await;
    let first = app.guest("").try_add(1, 2).await.unwrap();
    assert_eq!(lines(&first.cart.unwrap()), [(1, 2)]);
    assert_eq!(first.guest_token.len(), 43, "256 bits in base64");
    let guest = app.guest(&first.guest_token);
    assert_eq!(guest.try_add(1, 1).await.unwrap().guest_token, "");
    assert_eq!(guest.lines().await, [(1, 3)]);
}

#[tokio::test]
async fn a_guest_can_make_all_changes() {
    let app = TestApp::start().await;
    let guest = app.guest_with(1, 2).await;
    guest.add(2, 2).await.unwrap();
    assert_eq!(lines(&guest.set(2, 5).await.unwrap()), [(1, 2), (2, 5)]);
    assert_eq!(lines(&guest.remove(1).await.unwrap()), [(2, 5)]);
    let cleared = guest.clear().await.unwrap();
    assert_eq!((cleared.items.len(), cleared.version), (0, 5));
    assert_eq!(guest.get().await.unwrap(), cleared);
}

#[tokio::test]
async fn each_guest_has_a_separate_cart() {
    let app = TestApp::start().await;
    let one = app.guest_with(1, 1).await;
    let other = app.guest_with(2, 2).await;
    assert_ne!(one.guest_token, other.guest_token);
    other.clear().await.unwrap();
    other.add(3, 3).await.unwrap();
    assert_eq!(one.lines().await, [(1, 1)]);
    assert_eq!(other.lines().await, [(3, 3)]);
}

#[tokio::test]
async fn rejects_unknown_tokens() {
    let app = TestApp::start().await;
    let guest = app.guest_with(1, 1).await;
    let no_such_cart = (Code::NotFound, "cart_not_found".to_owned());
    let unknown = "A".repeat(43);
    let padded = format!("{}=", guest.guest_token);
    for token in ["x", "\0", "' or true --", "é", &unknown, &padded, &guest.guest_token[..42]] {
        let client = app.guest(token);
        assert_eq!(rejection(client.get().await), no_such_cart, "{token}");
        assert_eq!(rejection(client.add(1, 1).await), no_such_cart, "{token}");
        assert_eq!(rejection(client.set(1, 1).await), no_such_cart, "{token}");
        assert_eq!(rejection(client.remove(1).await), no_such_cart, "{token}");
        assert_eq!(rejection(client.clear().await), no_such_cart, "{token}");
    }
    assert_eq!(guest.lines().await, [(1, 1)]);
    assert_eq!(app.cart_count().await, 1);
}

#[tokio::test]
async fn a_user_with_a_guest_token_uses_the_users_cart() {
    let app = TestApp::start().await;
    let guest = app.guest_with(1, 1).await;
    let user = app.user().with_guest_token(&guest.guest_token);
    assert_eq!(user.lines().await, []);
    let added = user.try_add(2, 2).await.unwrap();
    assert_eq!(added.guest_token, "");
    assert_eq!(lines(&added.cart.unwrap()), [(2, 2)]);
    assert_eq!(lines(&user.set(2, 3).await.unwrap()), [(2, 3)]);
    assert_eq!(rejection(user.remove(1).await).1, "item_not_found");
    user.clear().await.unwrap();
    assert_eq!(guest.lines().await, [(1, 1)]);
}

#[tokio::test]
async fn the_database_does_not_contain_the_token() {
    let app = TestApp::start().await;
    let guest = app.guest_with(1, 1).await;
    let row: String =
        sqlx::query_scalar("select c::text || encode(guest_token_hash, 'base64') from cart.carts c")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert!(!row.replace('+', "-").replace('/', "_").contains(&guest.guest_token), "{row}");
}
