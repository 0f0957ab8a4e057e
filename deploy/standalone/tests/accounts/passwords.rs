//! Storage and change of passwords.

use serde_json::json;

use crate::harness::store::{PASSWORD, TestStore};

/// The bcrypt hash of [`PASSWORD`], from `crypt(3)`.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuWoXnoFB.kvA9LXp/b7nxnrLBRNz6oQK";

/// All rows of identity's tables, as text.
const ACCOUNTS: &str = "select string_agg(u::text, ' ') from identity.users u";

async fn hash_of(store: &TestStore, email: &str) -> String {
    let query = sqlx::query_scalar("select password_hash from identity.users where email_normalized = $1");
    query.bind(email).fetch_one(&store.sql().await).await.unwrap()
}

#[tokio::test]
async fn stores_salted_password_hashes_only() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    store.register("grace").await;
    let hash = hash_of(&store, "ada@shop.example").await;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hash, hash_of(&store, "grace@shop.example").await, "the same password, another salt");
    let stored: String = sqlx::query_scalar(ACCOUNTS).fetch_one(&store.sql().await).await.unwrap();
    assert!(!stored.contains(PASSWORD));

    for client in [&ada, store.admin()] {
        for path in ["/api/users/me", "/api/auth/sessions", "/api/users"] {
            let response = client.get(path).await.text;
            assert!(
                !response.contains("argon2") && !response.to_lowercase().contains("password"),
                "{response}"
            );
        }
    }
}

#[tokio::test]
async fn upgrades_imported_bcrypt_hashes_at_login() {
    let store = TestStore::start().await;
    let insert =
        "insert into identity.users (id, name, name_normalized, email, email_normalized, password_hash)
        values (gen_random_uuid(), 'Ada', 'ada', 'Ada@old.example', 'ada@old.example', $1)";
    sqlx::query(insert).bind(BCRYPT).execute(&store.sql().await).await.unwrap();

    let login = async |password: &str| {
        store.guest().post("/api/auth/login", json!({"email": "ada@old.example", "password": password})).await
    };
    login("not the password").await.expect_problem(401, "invalid_credentials");
    assert_eq!(hash_of(&store, "ada@old.example").await, BCRYPT, "not upgraded by a wrong password");
    login(PASSWORD).await.expect(200);
    let upgraded = hash_of(&store, "ada@old.example").await;
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    login(PASSWORD).await.expect(200);
    login("not the password").await.expect_problem(401, "invalid_credentials");
    assert_eq!(hash_of(&store, "ada@old.example").await, upgraded);
}

#[tokio::test]
async fn changing_the_password_ends_other_sessions() {
    let store = TestStore::start().await;
    let ada = store.register("ada").await;
    let (other_session, grace) = (ada.sign_in("ada").await, store.register("grace").await);
    let change = async |current: &str, new: &str| {
        ada.post("/api/users/me/password", json!({"currentPassword": current, "newPassword": new})).await
    };
    change("not the password", "tea at half past five").await.expect_field_error(422, "currentPassword");
    change(PASSWORD, "short").await.expect_field_error(422, "newPassword");
    change(PASSWORD, "ada@shop.example").await.expect_field_error(422, "newPassword");
    other_session.get("/api/users/me").await.expect(200);

    change(PASSWORD, "tea at half past five").await.expect(204);
    other_session.get("/api/users/me").await.expect_problem(401, "session_ended");
    let refresh = json!({"refreshToken": other_session.session()["refreshToken"]});
    store.guest().post("/api/auth/refresh", refresh).await.expect_problem(401, "invalid_refresh_token");
    ada.get("/api/users/me").await.expect(200);
    grace.get("/api/users/me").await.expect(200);

    let login = async |password: &str| {
        store.guest().post("/api/auth/login", json!({"login": "ada", "password": password})).await.status
    };
    assert_eq!((login(PASSWORD).await, login("tea at half past five").await), (401, 200));
}
